// The Layouts extension: how the elements of arrays lie in memory as JAX sees it. All are row-major: TILE is a matter of the card's.
#include <map>

#include "pjrt/extension.hpp"
#include "pjrt/objects.hpp"

namespace tt::pjrt {

namespace {

// As XLA prints it, from the innermost dimension: {1,0}.
DeviceLayout row_major(size_t rank) {
  std::string text = "{";
  for (size_t d = rank; d-- > 0;) text += cat(d, d > 0 ? "," : "");
  return {text + "}"};
}

struct Serialize : Head {
  const DeviceLayout* layout;
  const char* bytes;  // out, like what follows
  size_t size;
  void* owner;
  void (*deleter)(void*);
};

struct DefaultLayout : Head {
  Client* client;
  int type;
  const int64_t* dims;
  size_t num_dims;
  DeviceLayout* layout;  // out
};

struct ListLayouts : Head {
  ExecutableHandle* executable;
  size_t count;  // out, like what follows
  const DeviceLayout* const* layouts;
};

void destroy(One<DeviceLayout>& args) { delete args.object; }

void serialize(Serialize& args) {
  args.bytes = args.layout->text.data();
  args.size = args.layout->text.size();
  args.owner = nullptr;  // the layout's own
  args.deleter = [](void*) {};
}

void default_layout(DefaultLayout& args) { args.layout = new DeviceLayout(row_major(args.num_dims)); }
void buffer_layout(Get<Buffer, DeviceLayout*>& args) { args.value = new DeviceLayout(row_major(args.object->type.dims.size())); }

void parameter_layouts(ListLayouts& args) {
  args.layouts = args.executable->layouts.data();
  args.count = args.executable->program.compiled->parameters().size();
}
void result_layouts(ListLayouts& args) {
  args.layouts = args.executable->layouts.data() + args.executable->program.compiled->parameters().size();
  args.count = args.executable->program.compiled->results().size();
}

}  // namespace

void describe_layouts(ExecutableHandle& handle) {
  const executable::Executable& program = *handle.program.compiled;
  std::map<size_t, DeviceLayout*> of_rank;
  for (const auto& types : {program.parameters(), program.results()}) {
    for (const ir::Type& type : types) {
      auto [layout, is_new] = of_rank.try_emplace(type.dims.size(), nullptr);
      if (is_new) layout->second = &handle.layout_storage.emplace_back(row_major(type.dims.size()));
      handle.layouts.push_back(layout->second);
    }
  }
}

void install_layouts(Api& api) {
  constexpr int kLayouts = 4;
  static Extension<7> extension{0,
                                kLayouts,
                                nullptr,
                                {guarded<&destroy>(), guarded<&serialize>(), guarded<&default_layout>(), guarded<&buffer_layout>(),
                                 /*of a topology*/ nullptr, guarded<&result_layouts>(), guarded<&parameter_layouts>()}};
  install(api, extension);
}

}  // namespace tt::pjrt
