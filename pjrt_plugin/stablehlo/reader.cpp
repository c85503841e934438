// Operations of the payload: VHLO's, one to one, as operations of the IR.
#include "stablehlo/reader.hpp"

#include <algorithm>
#include <string>

#include "stablehlo/tables.hpp"
#include "stablehlo/vhlo_table.hpp"

namespace tt::stablehlo {
namespace {

using ir::Attr;
using ir::Attribute;
using ir::Value;

constexpr int kMaxRegionDepth = 64;

std::optional<Attr> find_attr(std::string_view property) {
  for (int i = 0; i < ir::kNumAttrs; ++i) {
    if (ir::name(static_cast<Attr>(i)) == property) return static_cast<Attr>(i);
  }
  return std::nullopt;
}

// Integer tensors (VHLO's form of integer arrays) and lists of booleans as Dims.
Attribute as_dims(const Attribute& attribute) {
  const auto* elements = std::get_if<ir::DenseElements>(&attribute.value);
  if (elements == nullptr) return attribute;
  Dims dims(static_cast<size_t>(elements->type.num_elements()));
  const auto size = static_cast<size_t>(size_of(elements->type.element));
  for (size_t i = 0; i < dims.size(); ++i) {
    const std::byte* at = elements->bytes->data() + (elements->splat ? 0 : i * size);
    if (elements->type.element == DataType::kS64) {
      std::memcpy(&dims[i], at, 8);
    } else if (elements->type.element == DataType::kPred) {
      dims[i] = *at != std::byte{0};
    } else {
      return attribute;
    }
  }
  return {std::move(dims)};
}

bool is_symbol(Attr attr) { return attr == Attr::kCallee || attr == Attr::kDecomposition; }

// One scope of value numbers: a region that captures nothing starts its own, others continue their parent's.
struct Scope {
  std::vector<Value*> values;
  size_t next = 0;
  size_t end = 0;
};

struct Raw {  // an operation's encoding, decoded
  const std::string* name;
  std::shared_ptr<const ir::Location> location;
  const ir::AttributeDict* attributes = nullptr;
  std::optional<Bytes> properties;
  std::vector<ir::Type> result_types;
  std::vector<Value*> operands;
  size_t first_result = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> payload) : size_(payload.size()), tables_(sections(payload)) {}

  std::unique_ptr<ir::Module> run() {
    module_ = std::make_unique<ir::Module>();
    Bytes b = *ir_;
    Scope top;
    const uint64_t head = b.varint();
    require((head & 1) == 0 && (head >> 1) == 1, "[payload] expected one module at the top");
    read_module(b, top);
    if (!refused_.empty()) {
      std::string text =
          cat("[payload] ", refused_.size(), refused_.size() == 1 ? " operation has" : " operations have", " no counterpart on tt:");
      for (const std::string& line : refused_) text += "\n  " + line;
      throw Error(ErrorCategory::kUnimplemented, text);
    }
    return std::move(module_);
  }

 private:
  std::array<std::optional<Bytes>, Tables::kSections> sections(std::span<const std::byte> payload) {
    Bytes b(payload);
    const auto magic = b.take(4);
    require(magic[0] == std::byte{'M'} && magic[1] == std::byte{'L'} && magic[2] == std::byte{0xEF} && magic[3] == std::byte{'R'},
            "[payload] is not MLIR bytecode: it must begin with \"ML\\xEFR\"");
    const uint64_t version = b.varint();
    require(version == 6, "[payload] MLIR bytecode version ", version, ", expected 6");
    b.c_string();  // the producer
    std::array<std::optional<Bytes>, Tables::kSections> found;
    while (!b.at_end()) {
      const uint8_t id = b.byte();
      const uint64_t length = b.varint();
      if (id & 0x80) b.align(b.varint());
      require((id & 0x7F) < Tables::kSections, "[payload] section ", int{id}, " is unknown");
      found[id & 0x7F] = Bytes(b.take(length));
    }
    require(found[4].has_value(), "[payload] has no operations: it is truncated or damaged");
    ir_ = found[4];
    return found;
  }

  void skip_use_list(Bytes& b, bool many) {
    size_t entries = many ? b.count() : 1;
    for (; entries > 0; --entries) {
      if (many) b.varint();
      const uint64_t head = b.varint();
      const uint64_t indices = head >> 1;
      require(indices <= b.left(), "[payload] a use list of ", indices, " entries");
      for (uint64_t i = 0; i < indices; ++i) b.varint();
    }
  }

  // Decodes an operation up to its regions, which follow when `regions` is set.
  Raw read_head(Bytes& b, Scope& scope, uint8_t& mask) {
    Raw raw;
    raw.name = &tables_.operation_name(b.varint());
    mask = b.byte();
    raw.location = tables_.location(b.varint());
    if (mask & 1) raw.attributes = std::get_if<ir::AttributeDict>(&tables_.attribute(b.varint()).value);
    if (mask & 64) raw.properties = tables_.properties(b.varint());
    raw.first_result = scope.next;
    if (mask & 2) {
      for (size_t n = b.count(); n > 0; --n) raw.result_types.push_back(tables_.value_type(b.varint()));
      scope.next += raw.result_types.size();
      require(scope.next <= scope.end, "[payload] more values than the region announces");
    }
    if (mask & 4) {
      for (size_t n = b.count(); n > 0; --n) {
        const uint64_t index = b.varint();
        require(index < scope.values.size() && scope.values[index] != nullptr, "[payload] ", *raw.name, " uses value ", index,
                " before it is defined");
        raw.operands.push_back(scope.values[index]);
      }
    }
    if (mask & 8) require(b.count() == 0, "[payload] ", *raw.name, " has successors");
    if (mask & 32) skip_use_list(b, raw.result_types.size() != 1);
    return raw;
  }

  // Calls read(bytes, scope, i) for the i-th region with one block; the block's header is not read yet.
  template <class Read>
  void read_regions(Bytes& b, Scope& parent, uint8_t mask, const Read& read) {
    if ((mask & 16) == 0) return;
    require(++depth_ <= kMaxRegionDepth, "[payload] regions nested deeper than ", kMaxRegionDepth);
    const uint64_t head = b.varint();
    const bool isolated = (head & 1) != 0;
    const uint64_t count = head >> 1;
    require(count <= b.left(), "[payload] ", count, " regions");
    Bytes own;
    if (isolated) {
      const uint8_t id = b.byte();
      const uint64_t length = b.varint();
      if (id & 0x80) b.align(b.varint());
      own = Bytes(b.take(length));
    }
    Bytes& from = isolated ? own : b;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t blocks = from.varint();
      if (blocks == 0) continue;
      require(blocks == 1, "[payload] a region of ", blocks, " blocks, expected one");
      const uint64_t values = from.varint();
      require(values <= size_, "[payload] a region of ", values, " values");
      if (isolated) {
        Scope scope;
        scope.values.resize(values);
        scope.end = values;
        read(from, scope, i);
      } else {
        const size_t next = parent.next, end = parent.end;
        parent.next = end;
        parent.end = end + values;
        parent.values.resize(parent.end, nullptr);
        read(from, parent, i);
        parent.values.resize(end);
        parent.next = next;
        parent.end = end;
      }
    }
    --depth_;
  }

  // The number of operations of a block; its arguments are added to `block`.
  size_t read_block_head(Bytes& b, Scope& scope, ir::Block& block) {
    const uint64_t head = b.varint();
    if (head & 1) {
      size_t arguments = b.count();
      const bool many = arguments != 1;
      for (; arguments > 0; --arguments) {
        const uint64_t type = b.varint();
        if (type & 1) b.varint();
        define(scope, scope.next++, block.add_argument(tables_.value_type(type >> 1)));
      }
      if (b.byte() != 0) skip_use_list(b, many);
    }
    require((head >> 1) <= b.left(), "[payload] a block of ", head >> 1, " operations");
    return static_cast<size_t>(head >> 1);
  }

  void define(Scope& scope, size_t index, Value* value) {
    require(index < scope.values.size() && index < scope.end, "[payload] more values than the region announces");
    scope.values[index] = value;
  }

  void read_module(Bytes& b, Scope& top) {
    uint8_t mask = 0;
    Raw raw = read_head(b, top, mask);
    require(*raw.name == "builtin.module", "[payload] expected builtin.module at the top, found ", *raw.name);
    if (raw.attributes != nullptr) module_->attributes = *raw.attributes;
    if (raw.properties) {
      const uint64_t name = raw.properties->varint();
      if (name & 1) {
        if (const auto* text = std::get_if<std::string>(&tables_.attribute(name >> 1).value)) module_->name = *text;
      }
    }
    read_regions(b, top, mask, [&](Bytes& bytes, Scope& scope, size_t) {
      ir::Block unused;
      for (size_t n = read_block_head(bytes, scope, unused); n > 0; --n) read_function(bytes, scope);
    });
  }

  void read_function(Bytes& b, Scope& scope) {
    uint8_t mask = 0;
    Raw raw = read_head(b, scope, mask);
    if (raw.name->starts_with("sdy."))
      return read_regions(b, scope, mask, [](Bytes&, Scope&, size_t) { fail(ErrorCategory::kUnimplemented, "[payload] sdy regions"); });
    require(*raw.name == "vhlo.func_v1" && raw.properties, "[payload] expected a function in the module, found ", *raw.name);
    // Properties: arg_attrs, function_type, res_attrs, sym_name, sym_visibility.
    auto function = std::make_unique<ir::Function>();
    const auto dicts = [&](const Attribute& attribute) {
      std::vector<ir::AttributeDict> out;
      if (const auto* list = std::get_if<ir::AttributeList>(&attribute.value)) {
        for (const Attribute& entry : *list) {
          const auto* dict = std::get_if<ir::AttributeDict>(&entry.value);
          out.push_back(dict == nullptr ? ir::AttributeDict{} : *dict);
        }
      }
      return out;
    };
    Bytes p = *raw.properties;
    function->argument_attributes = dicts(tables_.attribute(p.varint()));
    const auto* type = std::get_if<ir::Type>(&tables_.attribute(p.varint()).value);
    require(type != nullptr && type->members.size() == 2, "[payload] a function without a function type");
    function->result_types = type->members[1].members;
    const size_t arguments = type->members[0].members.size();
    function->result_attributes = dicts(tables_.attribute(p.varint()));
    const auto* name = std::get_if<std::string>(&tables_.attribute(p.varint()).value);
    require(name != nullptr, "[payload] a function without a name");
    function->name = *name;
    const auto* visibility = std::get_if<std::string>(&tables_.attribute(p.varint()).value);
    if (visibility != nullptr) function->visibility = *visibility;
    function->argument_attributes.resize(arguments);
    function->result_attributes.resize(function->result_types.size());
    function->body = std::make_unique<ir::Block>();
    read_regions(b, scope, mask, [&](Bytes& bytes, Scope& inner, size_t i) {
      require(i == 0, "[payload] a function with two bodies");
      read_block(bytes, inner, *function->body);
    });
    require(!function->body->operations().empty() && function->body->arguments().size() == arguments, "[payload] function ", function->name,
            " has a body that does not fit its type");
    module_->functions.push_back(std::move(function));
  }

  void read_block(Bytes& b, Scope& scope, ir::Block& block) {
    for (size_t n = read_block_head(b, scope, block); n > 0; --n) read_operation(b, scope, block);
    require(!block.operations().empty() && block.terminator().op() == Op::kReturn, "[payload] a region that does not end with a return");
  }

  void read_operation(Bytes& b, Scope& scope, ir::Block& block) {
    uint8_t mask = 0;
    Raw raw = read_head(b, scope, mask);
    const bool identity = *raw.name == "builtin.unrealized_conversion_cast" || *raw.name == "sdy.sharding_constraint";
    if (identity) {
      require(raw.operands.size() == raw.result_types.size(), "[payload] ", *raw.name, " with ", raw.operands.size(), " operands");
      for (size_t i = 0; i < raw.operands.size(); ++i) define(scope, raw.first_result + i, raw.operands[i]);
      return;
    }
    const VhloOp* row = raw.name->starts_with("vhlo.") ? find_vhlo(std::string_view(*raw.name).substr(5)) : nullptr;
    static constexpr VhloOp kShardyReturn{"", Op::kReturn, ""};
    if (*raw.name == "sdy.return") row = &kShardyReturn;
    if (row == nullptr) refused_.push_back(cat(*raw.name, " at ", to_string(*raw.location)));
    auto operation =
        std::make_unique<ir::Operation>(row == nullptr ? Op::kCustomCall : row->op, std::move(raw.operands), std::move(raw.result_types));
    operation->set_location(raw.location);
    if (raw.attributes != nullptr) operation->discardable() = *raw.attributes;
    if (row != nullptr && !row->properties.empty() && raw.properties) read_properties(*row, *raw.properties, *operation);
    read_regions(b, scope, mask, [&](Bytes& bytes, Scope& inner, size_t) { read_block(bytes, inner, operation->add_region()); });
    for (size_t i = 0; i < operation->results().size(); ++i) define(scope, raw.first_result + i, operation->result(i));
    block.append(std::move(operation));
  }

  void read_properties(const VhloOp& row, Bytes b, ir::Operation& operation) {
    std::string_view names = row.properties;
    while (!names.empty()) {
      const size_t space = names.find(' ');
      const std::string_view property = names.substr(0, space);
      names = space == std::string_view::npos ? std::string_view() : names.substr(space + 1);
      const Attribute& value = tables_.attribute(b.varint());
      const std::optional<Attr> attr = find_attr(property);
      if (!attr || std::holds_alternative<std::monostate>(value.value)) continue;
      const auto* text = std::get_if<std::string>(&value.value);
      if (is_symbol(*attr) && text != nullptr) {
        operation.set(*attr, {ir::SymbolRef{*text}});
      } else if (*attr == Attr::kCompareType && text != nullptr && *text == "NOTYPE") {
        continue;
      } else {
        operation.set(*attr, *attr == Attr::kValue ? value : as_dims(value));
      }
    }
  }

  size_t size_;
  std::optional<Bytes> ir_;
  Tables tables_;
  std::unique_ptr<ir::Module> module_;
  std::vector<std::string> refused_;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<ir::Module> read(std::span<const std::byte> payload) { return Reader(payload).run(); }

}  // namespace tt::stablehlo
