// A program over whole arrays becomes the program of each device over its pieces. What sharding annotations and shard_map demand holds for
// arguments and results; between them an operation keeps its operands' pieces where it can compute on pieces alone, and has them gathered
// where it cannot. Collectives say what goes from device to device.
#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "ir/sharding.hpp"
#include "passes/partition_rules.hpp"
#include "passes/pass.hpp"
#include "passes/pieces.hpp"

namespace tt::passes {
namespace {

using ir::Attr;
using ir::Op;
using ir::Sharding;
using ir::Type;
using ir::Value;

class Partitioner {
 public:
  explicit Partitioner(ir::Module& module)
      : module_(module), main_(module.main()), partitions_(ir::num_partitions(module)), pieces_(*main_.body, partitions_) {}

  void run() {
    for (size_t i = 0; i < main_.body->arguments().size(); ++i) main_.argument_shardings.push_back(place_argument(i));
    returns_pieces_.insert(main_.body.get());
    rewrite(*main_.body);
    const ir::Location& end = main_.body->terminator().location();
    return_values(*main_.body, [&](size_t i, Value* value, Builder& b) { return place_result(i, value, end, b); });
  }

 private:
  // Of an argument or result; null where there is none.
  const std::string* annotation(const ir::AttributeDict& attributes) const {
    if (partitions_ == 1) return nullptr;
    for (const auto& [name, attribute] : attributes) {
      const auto* foreign = std::get_if<ir::Foreign>(&attribute.value);
      if (name == "sdy.sharding" && foreign != nullptr) return &foreign->text;
      if (name == "mhlo.sharding") {
        fail(ErrorCategory::kUnimplemented,
             "[compile] a program with GSPMD's shardings; tt reads Shardy's: leave jax_use_shardy_partitioner on");
      }
    }
    return nullptr;
  }

  Sharding replicated(const Type& type) const { return Sharding::replicated(type.dims.size(), partitions_); }
  Sharding read(std::string_view text, const Type& type, const ir::AxisNames* only = nullptr) const {
    return ir::read_sharding(text, module_.meshes, type.dims.size(), partitions_, only);
  }
  // As the annotation says; where it leaves dimensions open, as the value lies.
  Sharding read_for(std::string_view text, const Placed& from, const ir::AxisNames* only = nullptr) const {
    std::vector<uint8_t> open;
    Sharding sharding = ir::read_sharding(text, module_.meshes, from.dims.size(), partitions_, only, &open);
    for (size_t d = 0; d < open.size(); ++d) {
      if (open[d] == 0 || sharding.counts[d] > 1 || from.sharding.counts[d] == 1) continue;
      Sharding kept = sharding;
      kept.cut(d, from.sharding, d);
      if (kept.covers()) sharding = std::move(kept);
    }
    return sharding;
  }
  void must_divide(const Sharding& sharding, const Type& type, const ir::Location& location) const {
    require(sharding.divides(type.dims), "[compile] an array ", Text(type), " at ", Text(location), " in ", Text(sharding.counts),
            " pieces; dimensions must be multiples of their numbers of pieces");
  }

  Sharding place_argument(size_t i) {
    Value* const argument = main_.body->arguments()[i].get();
    const Type type = argument->type();
    if (!type.is_tensor()) return {};
    const std::string* text = annotation(main_.argument_attributes[i]);
    Sharding sharding = text == nullptr ? replicated(type) : read(std::string_view(*text).substr(ir::kShardyPrefix.size()), type);
    must_divide(sharding, type, argument->location());
    argument->set_type(Type::tensor(type.element, sharding.piece_dims(type.dims)));
    if (!sharding.is_replicated()) placed_[argument] = {argument, sharding, type.dims};
    return sharding;
  }

  // What the block returns, each as `place` puts it.
  template <class Place>
  static void return_values(ir::Block& block, const Place& place) {
    const std::unique_ptr<ir::Operation> end = std::move(block.operations().back());
    block.operations().pop_back();
    Builder b(block, end->location());
    std::vector<Value*> returned;
    for (size_t i = 0; i < end->operands().size(); ++i) returned.push_back(place(i, end->operand(i), b));
    b.append(b.operation(Op::kReturn, std::move(returned), {}));
  }

  Value* place_result(size_t i, Value* value, const ir::Location& location, Builder& b) {
    if (!value->type().is_tensor()) {
      main_.result_shardings.emplace_back();
      return state(value).piece;
    }
    const std::string* text = annotation(main_.result_attributes[i]);
    Sharding sharding = state(value).sharding.reduced();
    if (text != nullptr) sharding = read_for(std::string_view(*text).substr(ir::kShardyPrefix.size()), state(value));
    must_divide(sharding, main_.result_types[i], location);
    Value* piece = place(value, sharding, b);
    main_.result_types[i] = piece->type();
    main_.result_shardings.push_back(std::move(sharding));
    return piece;
  }

  Placed state(Value* value) const {
    const auto found = placed_.find(value);
    return found != placed_.end() ? found->second : Placed{value, replicated(value->type()), value->type().dims};
  }

  // The whole array, on every device.
  Value* whole(Value* value, Builder& b) {
    const auto found = placed_.find(value);
    if (found == placed_.end()) return value;
    const Placed& placed = found->second;
    if (placed.sharding.is_replicated()) return placed.piece;
    Value*& all = gathered_[value];
    if (all == nullptr) all = pieces_.gather(placed, b);
    return all;
  }

  // This device's piece of it under another sharding.
  Value* place(Value* value, const Sharding& sharding, Builder& b) {
    const Placed from = state(value);
    if (from.sharding == sharding) return from.piece;
    if (sharding.addends > 1 && holds_addends(from.sharding, sharding)) return pieces_.among_zeros(from, b);
    Value* piece = from.sharding.reduced() == sharding ? pieces_.sum_up(from, b) : pieces_.cut(whole(value, b), sharding, b);
    return sharding.addends == 1 ? piece : pieces_.first_addend(piece, sharding, b);
  }

  // Whether each device's piece, among zeros, is its addend of the whole.
  static bool holds_addends(const Sharding& pieces, const Sharding& addends) {
    if (pieces.addends > 1 || !addends.reduced().is_replicated() || pieces.num_tiles() != addends.addends) return false;
    for (size_t p = 0; p < pieces.partitions(); ++p) {
      if (pieces.tile_of(p) != addends.addend_of[p]) return false;
    }
    return true;
  }

  // What is gathered inside is not there outside.
  template <class Then>
  void rewrite_inner(ir::Block& region, const Then& then) {
    const std::unordered_map<const Value*, Value*> outside = gathered_;
    rewrite(region);
    then();
    gathered_ = outside;
  }
  void rewrite_inner(ir::Block& region) {
    rewrite_inner(region, [] {});
  }

  void rewrite(ir::Block& block) {
    std::vector<std::unique_ptr<ir::Operation>> before;
    before.swap(block.operations());
    for (auto& operation : before) {
      Builder b(block, operation->location());
      if (operation->op() == Op::kShardingConstraint) {
        constrain(*operation, b);
        gone_.push_back(std::move(operation));
      } else if (operation->op() == Op::kShardingGroup) {
        if (&block == main_.body.get()) join_group(*operation, b);  // inside others it says nothing about values from outside
        gone_.push_back(std::move(operation));
      } else if (operation->op() == Op::kManualComputation) {
        compute_manually(*operation, block, b);
        gone_.push_back(std::move(operation));
      } else if (is_host_call(*operation) && partitions_ > 1 && manual_axes_.empty()) {
        compute_whole(*operation, b);
        call_once(std::move(operation), b);
      } else {
        const bool returns = operation->op() == Op::kReturn && returns_pieces_.contains(&block);
        if (!returns && !compute_on_pieces(*operation, b) && !loop_over_pieces(*operation, b)) compute_whole(*operation, b);
        combine_parts(*block.append(std::move(operation)), b);
      }
    }
  }

  void constrain(const ir::Operation& operation, Builder& b) {
    Value* const value = operation.operand(0);
    const Placed from = state(value);
    const std::string& text = operation.text(Attr::kSharding);
    if (partitions_ == 1) {
      placed_[operation.result()] = from;
      return;
    }
    const ir::AxisNames free = free_axes(text);
    const Sharding sharding = read_for(text, from, &free);
    placed_[operation.result()] = sharding.divides(from.dims) ? Placed{place(value, sharding, b), sharding, from.dims} : from;
  }

  // From here on, all values of a group lie as the one in most pieces does.
  void join_group(const ir::Operation& operation, Builder& b) {
    std::vector<Value*>& members = groups_[operation.integer(Attr::kGroupId)];
    members.push_back(operation.operand(0));
    Sharding sharding = state(members[0]).sharding.reduced();
    for (Value* member : members) {
      const Sharding other = state(member).sharding.reduced();
      if (other.counts.size() == sharding.counts.size() && other.num_tiles() > sharding.num_tiles()) sharding = other;
    }
    for (Value* member : members) {
      const Placed from = state(member);
      if (from.sharding == sharding || !sharding.divides(from.dims)) continue;
      Value* const piece = place(member, sharding, b);
      if (from.sharding.is_replicated()) gathered_[member] = from.piece;
      placed_[member] = {piece, sharding, from.dims};
    }
  }

  // What shard_map computes: the operands' pieces go in, the results' pieces come out.
  void compute_manually(ir::Operation& operation, ir::Block& block, Builder& b) {
    ir::Block& region = operation.region();
    const auto in = ir::split_annotations(operation.text(Attr::kInShardings)),
               out = ir::split_annotations(operation.text(Attr::kOutShardings));
    require(in.size() == operation.operands().size() && region.arguments().size() == in.size() &&
                out.size() == operation.results().size() && region.terminator().operands().size() == out.size(),
            "[compile] sdy.manual_computation at ", Text(operation.location()), " has ", in.size(), " shardings for ",
            operation.operands().size(), " operands and ", out.size(), " for ", operation.results().size(), " results");
    const ir::AxisNames axes = ir::read_axes(operation.text(Attr::kManualAxes));
    std::vector<Value*> pieces;
    for (size_t i = 0; i < in.size(); ++i) pieces.push_back(pass_in(operation, i, in[i], axes, b));
    const auto outside = std::pair(pieces_.apart(), manual_axes_);
    manual_axes_.insert(axes.begin(), axes.end());
    returns_pieces_.insert(&region);
    if (!in.empty() || !out.empty()) keep_apart(in.empty() ? out[0] : in[0]);
    rewrite_inner(region);
    ir::Operation& end = region.terminator();
    std::vector<Sharding> inner;
    for (size_t i = 0; i < out.size(); ++i) {
      const Placed piece = state(end.operand(i));
      inner.push_back(piece.sharding);
      end.set_operand(i, piece.piece);
    }
    const std::vector<Value*> returned = ir::inline_block(region, pieces, block);
    pieces_.keep_apart(outside.first);
    manual_axes_ = outside.second;
    for (size_t i = 0; i < out.size(); ++i) {
      const Type& type = operation.result(i)->type();
      placed_[operation.result(i)] = {returned[i], type.is_tensor() ? inner[i].within(read(out[i], type, &axes)) : Sharding{}, type.dims};
    }
  }

  // What a shard_map gets of an operand: the piece along its own axes, which may lie in pieces along others.
  Value* pass_in(ir::Operation& operation, size_t i, std::string_view annotation, const ir::AxisNames& axes, Builder& b) {
    Value *const operand = operation.operand(i), *const argument = operation.region().arguments()[i].get();
    const Type expected = argument->type();
    if (!expected.is_tensor()) return state(operand).piece;
    const Placed from = state(operand);
    const Type type = Type::tensor(expected.element, from.dims);
    const Sharding outer = read(annotation, type, &axes);
    must_divide(outer, type, operation.location());
    require(outer.piece_dims(type.dims) == expected.dims, "[compile] sdy.manual_computation at ", Text(operation.location()), ": argument ",
            i, " is ", Text(expected), ", expected ", Text(outer.piece_dims(type.dims)));
    const std::optional<Sharding> inner = inside(outer, from.sharding);
    if (!inner || inner->is_replicated() || !is_along_free_axes(*inner, annotation, axes)) return place(operand, outer, b);
    argument->set_type(from.piece->type());
    placed_[argument] = {argument, *inner, expected.dims};
    return from.piece;
  }

  // Whether devices that differ in manual axes only have the same pieces.
  bool is_along_free_axes(const Sharding& sharding, std::string_view annotation, const ir::AxisNames& axes) const {
    const ir::DeviceMesh mesh = ir::find_mesh(module_.meshes, ir::mesh_name(annotation));
    const ir::AxisNames free = free_axes(annotation, axes);
    std::map<int64_t, Dims> pieces;
    for (size_t p = 0; p < sharding.partitions(); ++p) {
      const auto [first, is_new] = pieces.try_emplace(mesh.position(free, static_cast<int64_t>(p)), sharding.piece_of[p]);
      if (first->second != sharding.piece_of[p]) return false;
    }
    return true;
  }

  // What `whole` cuts within the pieces of `outer`; nothing where it cuts across them.
  static std::optional<Sharding> inside(const Sharding& outer, const Sharding& whole) {
    Sharding inner = whole;
    for (size_t d = 0; d < whole.counts.size(); ++d) {
      if (whole.counts[d] % outer.counts[d] != 0) return std::nullopt;
      inner.counts[d] = whole.counts[d] / outer.counts[d];
      for (Dims& piece : inner.piece_of) piece[d] %= inner.counts[d];
    }
    if (outer.addends != 1) return std::nullopt;
    return inner.within(outer) == whole ? std::optional(inner) : std::nullopt;
  }

  // Devices at different places along the manual axes.
  void keep_apart(std::string_view annotation) {
    const ir::DeviceMesh mesh = ir::find_mesh(module_.meshes, ir::mesh_name(annotation));
    std::vector<int64_t> positions;
    for (int64_t p = 0; p < partitions_; ++p) positions.push_back(mesh.position(manual_axes_, p));
    pieces_.keep_apart(std::move(positions));
  }

  static bool is_host_call(const ir::Operation& operation) {
    return operation.op() == Op::kCustomCall && operation.text(Attr::kCallTargetName) == ir::kHostCallTarget;
  }

  // A call of the host process is made by the first device, which tells the others its results.
  void call_once(std::unique_ptr<ir::Operation> call, Builder& b) {
    std::vector<Type> types;
    for (const auto& result : call->results()) types.push_back(result->type());
    auto choice = b.operation(Op::kIf, {pieces_.is_first_device(b)}, types);
    Builder makes = b.within(choice->add_region()), waits = b.within(choice->add_region());
    std::vector<Value*> nothing, made;
    for (const auto& result : call->results()) made.push_back(result.get());
    makes.append(std::move(call));
    for (const Type& type : types) nothing.push_back(type.is_tensor() ? waits.constant(type, 0) : waits.make(Op::kCreateToken, {}, type));
    makes.append(makes.operation(Op::kReturn, made, {}));
    waits.append(waits.operation(Op::kReturn, std::move(nothing), {}));
    const ir::Operation& chosen = b.append(std::move(choice));
    for (size_t i = 0; i < types.size(); ++i) {
      Value* const value = chosen.result(i);
      const bool tensor = types[i].is_tensor();
      placed_[made[i]] = {tensor ? pieces_.from_first_device(value, b) : value, tensor ? replicated(types[i]) : Sharding{}, types[i].dims};
    }
  }

  bool compute_on_pieces(ir::Operation& operation, Builder& b) {
    if (partitions_ == 1 || operation.results().size() != 1 || !operation.result()->type().is_tensor()) return false;
    std::vector<Sharding> shardings;
    bool any = false;
    for (Value* operand : operation.operands()) {
      if (!operand->type().is_tensor()) return false;
      shardings.push_back(state(operand).sharding.reduced());
      any = any || !shardings.back().is_replicated();
    }
    if (!any) return false;
    std::vector<Dims> dims;
    for (Value* operand : operation.operands()) dims.push_back(state(operand).dims);
    const std::optional<Sharding> result = shard_operation(operation, dims, shardings);
    if (!result || result->is_replicated()) return false;
    for (size_t i = 0; i < shardings.size(); ++i) operation.set_operand(i, place(operation.operand(i), shardings[i], b));
    for (const auto& region : operation.regions()) rewrite_inner(*region);
    const Type whole = operation.result()->type();
    fit_attributes(operation, *result);
    operation.result()->set_type(Type::tensor(whole.element, result->piece_dims(whole.dims)));
    placed_[operation.result()] = {operation.result(), *result, whole.dims};
    return true;
  }

  // Parts of a reduction other than a sum are combined at once.
  void combine_parts(const ir::Operation& operation, Builder& b) {
    if (operation.op() != Op::kReduce || placed_.empty()) return;
    const auto found = placed_.find(operation.result());
    if (found == placed_.end() || found->second.sharding.addends == 1) return;
    const std::optional<Op> op = combination(operation);
    if (op && *op != Op::kAdd)
      found->second = {pieces_.sum_up(found->second, b, *op), found->second.sharding.reduced(), found->second.dims};
  }

  // A loop carries pieces: those it starts with, or, where it starts with whole arrays, those that its body makes of them.
  bool loop_over_pieces(ir::Operation& loop, Builder& b) {
    if (loop.op() != Op::kWhile || partitions_ == 1) return false;
    std::vector<Placed> carried;
    for (Value* operand : loop.operands()) carried.push_back(state(operand));
    for (Placed& value : carried) value.sharding = value.sharding.reduced();
    constexpr int kTries = 3;
    for (int i = 0; i < kTries && !trying_ && would_return_pieces(loop, carried, b); ++i) continue;
    const auto is_whole = [](const Placed& value) { return value.sharding.is_replicated(); };
    if (std::all_of(carried.begin(), carried.end(), is_whole)) return false;
    for (size_t i = 0; i < carried.size(); ++i) {
      loop.set_operand(i, loop.operand(i)->type().is_tensor() ? place(loop.operand(i), carried[i].sharding, b) : carried[i].piece);
      const Type& type = loop.operand(i)->type();
      for (const auto& region : loop.regions()) carry(*region->arguments()[i], type, carried[i]);
      carry(*loop.result(i), type, carried[i]);
    }
    returns_pieces_.insert(&loop.region(1));
    rewrite_inner(loop.region(0));
    rewrite_inner(loop.region(1), [&] {
      return_values(loop.region(1), [&](size_t i, Value* value, Builder& inside) {
        return value->type().is_tensor() ? place(value, carried[i].sharding, inside) : state(value).piece;
      });
    });
    return true;
  }

  void carry(Value& value, const Type& type, const Placed& as) {
    value.set_type(type);
    if (!as.sharding.is_replicated()) placed_[&value] = {&value, as.sharding, as.dims};
  }

  // On a copy of the body. What comes out in pieces will be carried in these.
  bool would_return_pieces(const ir::Operation& loop, std::vector<Placed>& carried, Builder& b) {
    ir::Block& copy = *tried_.emplace_back(std::make_unique<ir::Block>());
    std::vector<Value*> arguments;
    for (size_t i = 0; i < carried.size(); ++i) {
      const Type& type = loop.region(1).arguments()[i]->type();
      const Type piece = type.is_tensor() ? Type::tensor(type.element, carried[i].sharding.piece_dims(carried[i].dims)) : type;
      arguments.push_back(copy.add_argument(piece));
      carry(*arguments.back(), piece, carried[i]);
    }
    std::vector<Value*> returned = ir::inline_block(loop.region(1), arguments, copy);
    Builder inside = b.within(copy);
    inside.append(inside.operation(Op::kReturn, std::move(returned), {}));
    returns_pieces_.insert(&copy);
    trying_ = true;
    rewrite_inner(copy);
    trying_ = false;
    bool more = false;
    for (size_t i = 0; i < carried.size(); ++i) {
      const Placed made = state(copy.terminator().operand(i));
      if (!carried[i].sharding.is_replicated() || made.sharding.reduced().is_replicated()) continue;
      carried[i].sharding = made.sharding.reduced();
      more = true;
    }
    return more;
  }

  void compute_whole(ir::Operation& operation, Builder& b) {
    for (const auto& region : operation.regions()) gather_captured(*region, b);  // before it: loops read them in each turn
    for (size_t i = 0; i < operation.operands().size(); ++i) operation.set_operand(i, whole(operation.operand(i), b));
    for (const auto& region : operation.regions()) rewrite_inner(*region);
  }

  void gather_captured(const ir::Block& region, Builder& b) {
    for (const auto& operation : region.operations()) {
      for (Value* value : operation->operands()) whole(value, b);
      for (const auto& inner : operation->regions()) gather_captured(*inner, b);
    }
  }

  // Those of the annotation's mesh that no shard_map around has taken, nor are in `taken`.
  ir::AxisNames free_axes(std::string_view annotation, const ir::AxisNames& taken = {}) const {
    ir::AxisNames free;
    const ir::DeviceMesh mesh = ir::find_mesh(module_.meshes, ir::mesh_name(annotation));
    for (const auto& [axis, size] : mesh.axes()) {
      if (!manual_axes_.contains(axis) && !taken.contains(axis)) free.insert(axis);
    }
    return free;
  }

  ir::Module& module_;
  ir::Function& main_;
  int64_t partitions_;
  Pieces pieces_;
  std::unordered_map<const Value*, Placed> placed_;    // values that are in pieces, or that others stand for
  std::unordered_map<const Value*, Value*> gathered_;  // whole arrays of them that this block can read
  ir::AxisNames manual_axes_;                          // of the shard_maps around
  std::unordered_set<const ir::Block*> returns_pieces_;
  std::map<int64_t, std::vector<Value*>> groups_;     // that are to lie alike
  bool trying_ = false;                               // what is rewritten is a copy
  std::vector<std::unique_ptr<ir::Operation>> gone_;  // their results are keys of `placed_`
  std::vector<std::unique_ptr<ir::Block>> tried_;     // likewise
};

}  // namespace

void partition(ir::Module& module) { Partitioner(module).run(); }

}  // namespace tt::passes
