// Operations of the payload: VHLO's, one to one, as operations of the IR.
#include "stablehlo/reader.hpp"

#include <algorithm>
#include <string>

#include "ir/attribute_text.hpp"
#include "stablehlo/tables.hpp"
#include "stablehlo/vhlo_table.hpp"

namespace tt::stablehlo {
namespace {

using ir::Attr;
using ir::Attribute;
using ir::Value;

constexpr int kMaxRegionDepth = 64;

// One property of an operation: the IR's attribute, or a part of a dot_general's algorithm.
struct Property {
  std::optional<Attr> attr;
  std::string_view algorithm_part;
};

// In the order in which the IR keeps (and the text shows) them.
constexpr std::string_view kAlgorithmParts[] = {"lhs_precision_type",          "rhs_precision_type",  "accumulation_type",
                                                "lhs_component_count",         "rhs_component_count", "num_primitive_operations",
                                                "allow_imprecise_accumulation"};

Property find_property(std::string_view name) {
  if (name == "channel_id") return {Attr::kChannelHandle, {}};
  for (int i = 0; i < ir::kNumAttrs; ++i) {
    if (ir::name(static_cast<Attr>(i)) == name) return {static_cast<Attr>(i), {}};
  }
  const auto* part = std::find(std::begin(kAlgorithmParts), std::end(kAlgorithmParts), name);
  return {std::nullopt, part == std::end(kAlgorithmParts) ? std::string_view() : *part};
}

std::vector<Property> split_properties(std::string_view names) {
  std::vector<Property> out;
  while (!names.empty()) {
    const size_t space = names.find(' ');
    out.push_back(find_property(names.substr(0, space)));
    names = space == std::string_view::npos ? std::string_view() : names.substr(space + 1);
  }
  return out;
}

constexpr int64_t kMaxArray = 4096;  // integers in an attribute that is an array

// Integer tensors (VHLO's form of integer arrays) and tensors of booleans as Dims; lists of them likewise.
Attribute as_dims(Attribute attribute) {
  if (auto* list = std::get_if<ir::AttributeList>(&attribute.value)) {
    for (Attribute& entry : *list) entry = as_dims(std::move(entry));
    return attribute;
  }
  const auto* elements = std::get_if<ir::DenseElements>(&attribute.value);
  if (elements == nullptr) return attribute;
  const DataType element = elements->type.element;
  if (element != DataType::kS64 && element != DataType::kPred) return attribute;
  const int64_t count = elements->type.num_elements();
  require(count <= kMaxArray, "[payload] an array attribute of ", count, " integers");
  return {ir::integers(*elements), {}};
}

// The properties that stay tensors.
bool is_tensor_property(Attr attr) { return attr == Attr::kValue || attr == Attr::kReplicaGroups || attr == Attr::kSourceTargetPairs; }

bool is_symbol(Attr attr) { return attr == Attr::kCallee || attr == Attr::kDecomposition; }

// One scope of value numbers: a region that captures nothing starts its own, others continue their parent's.
struct Scope {
  std::vector<Value*> values;
  size_t next = 0;
  size_t end = 0;
};

struct Raw {  // an operation's encoding, decoded
  std::string_view name;
  const VhloOp* row = nullptr;
  const std::vector<Property>* property_names = nullptr;
  const ir::Location* location = nullptr;
  ir::AttributeDict attributes;
  std::optional<Bytes> properties;
  std::vector<ir::Type> result_types;
  std::vector<Value*> operands;
  size_t first_result = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> payload) : tables_(sections(payload), payload.size()) {
    for (const std::string& name : tables_.operation_names()) {
      const VhloOp* row = find_row(name);
      names_.push_back({name, row, row == nullptr ? std::vector<Property>() : split_properties(row->properties)});
    }
  }

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
    module_->locations = tables_.take_locations();
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
      uint8_t id = 0;
      const Bytes section = b.section(id);
      require(id < Tables::kSections, "[payload] section ", int{id}, " is unknown");
      found[id] = section;
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
    const uint64_t name = b.varint();
    if (name >= names_.size()) damaged("operation name", name);
    raw.name = names_[name].name;
    raw.row = names_[name].row;
    raw.property_names = &names_[name].properties;
    mask = b.byte();
    raw.location = &tables_.location(b.varint());
    if (mask & 1) {
      Attribute attributes = tables_.attribute_copy(b.varint());
      auto* dict = std::get_if<ir::AttributeDict>(&attributes.value);
      require(dict != nullptr, "[payload] ", raw.name, " has attributes that are not a dictionary");
      raw.attributes = std::move(*dict);
    }
    if (mask & 64) raw.properties = tables_.properties(b.varint());
    raw.first_result = scope.next;
    if (mask & 2) {
      for (size_t n = b.count(); n > 0; --n) raw.result_types.push_back(value_type(b.varint(), raw));
      scope.next += raw.result_types.size();
      require(scope.next <= scope.end, "[payload] more values than the region announces");
    }
    if (mask & 4) {
      for (size_t n = b.count(); n > 0; --n) {
        const uint64_t index = b.varint();
        require(index < scope.values.size() && scope.values[index] != nullptr, "[payload] ", raw.name, " uses value ", index,
                " before it is defined");
        raw.operands.push_back(scope.values[index]);
      }
    }
    if (mask & 8) require(b.count() == 0, "[payload] ", raw.name, " has successors");
    if (mask & 32) skip_use_list(b, raw.result_types.size() != 1);
    return raw;
  }

  // A type or attribute without a counterpart is noted under the operation that needs it; the program is refused at the end.
  template <class Decode, class Instead>
  auto decoded(const Raw& raw, const Decode& decode, const Instead& instead) {
    try {
      return decode();
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::kUnimplemented) throw;
      std::string_view what = error.what();
      if (what.starts_with("[payload] ")) what.remove_prefix(10);
      refuse(raw, cat(": ", what));
      return instead();
    }
  }

  ir::Type value_type(uint64_t i, const Raw& raw) {
    return decoded(
        raw, [&] { return ir::Type(tables_.value_type(i)); }, [] { return ir::Type::tensor(DataType::kF32, {}); });
  }

  void refuse(const Raw& raw, std::string_view why) {
    constexpr size_t kMaxRefusals = 1000;
    if (refused_.size() < kMaxRefusals) refused_.push_back(cat(raw.name, " at ", to_string(*raw.location), why));
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
      uint8_t id = 0;
      own = b.section(id);
    }
    Bytes& from = isolated ? own : b;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t blocks = from.varint();
      if (blocks == 0) continue;
      require(blocks == 1, "[payload] a region of ", blocks, " blocks, expected one");
      const uint64_t values = from.varint();
      require(values <= from.left(), "[payload] a region of ", values, " values in ", from.left(), " bytes");
      if (isolated) {
        Scope scope;
        scope.values.resize(values);
        scope.end = values;
        read(from, scope, i);
        require(scope.next == values, "[payload] a region of ", scope.next, " values that announces ", values);
      } else {
        const size_t next = parent.next, end = parent.end;
        parent.next = end;
        parent.end = end + values;
        parent.values.resize(parent.end, nullptr);
        read(from, parent, i);
        require(parent.next == parent.end, "[payload] a region announces more values than it has");
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
        const ir::Location& location = (type & 1) != 0 ? tables_.location(b.varint()) : ir::kUnknownLocation;
        define(scope, scope.next++, block.add_argument(tables_.value_type(type >> 1), location));
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
    require(raw.name == "builtin.module", "[payload] expected builtin.module at the top, found ", raw.name);
    module_->attributes = std::move(raw.attributes);
    module_->location = raw.location;
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
    if (raw.name == "sdy.mesh") return read_mesh(raw, mask);
    require(raw.name == "vhlo.func_v1" && raw.properties, "[payload] expected a function in the module, found ", raw.name);
    // Properties: arg_attrs, function_type, res_attrs, sym_name, sym_visibility.
    auto function = std::make_unique<ir::Function>();
    function->location = raw.location;
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

  void read_mesh(Raw& raw, uint8_t mask) {
    require((mask & 16) == 0 && raw.properties.has_value(), "[payload] a mesh without properties");
    Bytes p = *raw.properties;  // mesh, sym_name
    const auto* mesh = std::get_if<ir::Foreign>(&tables_.attribute(p.varint()).value);
    const auto* name = std::get_if<std::string>(&tables_.attribute(p.varint()).value);
    require(mesh != nullptr && name != nullptr, "[payload] a mesh without axes or name");
    module_->meshes.push_back({*name, mesh->text.substr(ir::kShardyPrefix.size()), std::move(raw.attributes), raw.location});
  }

  void read_block(Bytes& b, Scope& scope, ir::Block& block) {
    for (size_t n = read_block_head(b, scope, block); n > 0; --n) read_operation(b, scope, block);
    require(!block.operations().empty() && block.terminator().op() == Op::kReturn, "[payload] a region that does not end with a return");
  }

  void read_operation(Bytes& b, Scope& scope, ir::Block& block) {
    uint8_t mask = 0;
    Raw raw = read_head(b, scope, mask);
    if (raw.name == "builtin.unrealized_conversion_cast") {  // between VHLO's and StableHLO's spelling of one type
      require(raw.operands.size() == raw.result_types.size(), "[payload] ", raw.name, " with ", raw.operands.size(), " operands");
      for (size_t i = 0; i < raw.operands.size(); ++i) define(scope, raw.first_result + i, raw.operands[i]);
      return;
    }
    if (raw.row == nullptr) refuse(raw, "");
    auto operation = std::make_unique<ir::Operation>(raw.row == nullptr ? Op::kCustomCall : raw.row->op, std::move(raw.operands),
                                                     std::move(raw.result_types), *raw.location);
    operation->discardable() = std::move(raw.attributes);
    if (!raw.property_names->empty()) {
      require(raw.properties.has_value(), "[payload] ", raw.name, " at ", Text(*raw.location), " has no properties");
      read_properties(raw, *raw.properties, *operation);
    }
    read_regions(b, scope, mask, [&](Bytes& bytes, Scope& inner, size_t) { read_block(bytes, inner, operation->add_region()); });
    for (size_t i = 0; i < operation->results().size(); ++i) define(scope, raw.first_result + i, operation->result(i));
    block.append(std::move(operation));
  }

  void read_properties(const Raw& raw, Bytes b, ir::Operation& operation) {
    ir::AttributeDict algorithm;
    for (const Property& property : *raw.property_names) {
      const uint64_t index = b.varint();
      Attribute value = decoded(
          raw, [&] { return tables_.attribute_copy(index); }, [] { return Attribute{}; });
      if (std::holds_alternative<std::monostate>(value.value)) continue;
      if (property.attr) {
        set_property(*property.attr, std::move(value), operation);
      } else {
        algorithm.emplace_back(property.algorithm_part, std::move(value));
      }
    }
    require(b.at_end(), "[payload] ", raw.name, " at ", Text(*raw.location), " has more properties than StableHLO 1.13.7 gives it");
    set_algorithm(std::move(algorithm), operation);
  }

  static void set_property(Attr attr, Attribute value, ir::Operation& operation) {
    const auto* text = std::get_if<std::string>(&value.value);
    const auto* foreign = std::get_if<ir::Foreign>(&value.value);
    if (is_symbol(attr) && text != nullptr) {
      value = {ir::SymbolRef{*text}, {}};
    } else if (attr == Attr::kCompareType && text != nullptr && *text == "NOTYPE") {
      return;
    } else if (foreign != nullptr) {  // Shardy's own operations show their annotations without the prefix
      value = {foreign->text.substr(ir::kShardyPrefix.size()), {}};
    } else if (attr == Attr::kCalledComputations) {
      if (auto* list = std::get_if<ir::AttributeList>(&value.value)) {
        for (Attribute& entry : *list) {
          if (const auto* name = std::get_if<std::string>(&entry.value)) entry = {ir::SymbolRef{*name}, {}};
        }
      }
    } else if (!is_tensor_property(attr)) {
      value = as_dims(std::move(value));
    }
    if (!std::holds_alternative<ir::AttributeDict>(value.value)) value.number.reset();  // the attribute says what it is
    operation.set(attr, std::move(value));
  }

  // A dot_general has an algorithm when its precision types are there; types are kept as text, which knows tf32 too.
  static void set_algorithm(ir::AttributeDict parts, ir::Operation& operation) {
    ir::AttributeDict algorithm;
    for (std::string_view part : kAlgorithmParts) {
      for (auto& [key, value] : parts) {
        if (key != part) continue;
        if (const auto* type = std::get_if<ir::Type>(&value.value)) value = {std::string(tt::name(type->element)), {}};
        algorithm.emplace_back(key, std::move(value));
      }
    }
    if (algorithm.size() == std::size(kAlgorithmParts)) operation.set(Attr::kDotAlgorithm, {std::move(algorithm), {}});
  }

  struct Name {
    std::string_view name;
    const VhloOp* row;
    std::vector<Property> properties;
  };

  std::optional<Bytes> ir_;
  Tables tables_;
  std::vector<Name> names_;  // by their number in the payload
  std::unique_ptr<ir::Module> module_;
  std::vector<std::string> refused_;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<ir::Module> read(std::span<const std::byte> payload) { return Reader(payload).run(); }

}  // namespace tt::stablehlo
