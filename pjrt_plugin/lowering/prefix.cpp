// Long scans are cut into segments that are scanned side by side; the scan of the segments' totals, one behind, is then combined with each.
#include "lowering/prefix.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dnn/scan.hpp"
#include "lowering/region.hpp"

namespace tt::lowering {
namespace {

using emulator::TileOpcode;

constexpr int64_t kManyLanes = 8192;  // enough to fill the card's vectors
constexpr int64_t kShort = 256;       // steps that are not worth cutting
constexpr int64_t kSegment = 64;      // steps of a segment

class Scanner {
 public:
  Scanner(BlockLowering& block, const ir::Block& region, const Splat& init) : block_(block), region_(region), init_(init) {}

  // [outer, n, inner] in memory, under any view -> the same dimensions.
  Ref run(const Source& value, int64_t outer, int64_t n, int64_t inner) {
    const int64_t lanes = outer * inner;
    if (n <= kShort || lanes >= kManyLanes) return scan(value, outer, n, inner);
    if (n % kSegment != 0) return run_padded(value, outer, n, inner);
    const int64_t segments = n / kSegment;
    const Dims cut{outer, segments, kSegment, inner};
    std::optional<Source> split = reshape(value, cut);
    if (!split) split = reshape(copy(value), cut);
    const Dims along{outer * segments, kSegment, inner};
    std::optional<Source> rows = reshape(*split, along);
    if (!rows) rows = reshape(copy(*split), along);
    const Source local = *reshape(scan(*rows, outer * segments, kSegment, inner), cut);
    const Source last = *slice(local, Dims{0, 0, kSegment - 1, 0}, cut, Dims(4, 1));
    const Source totals = stored(run(*reshape(last, Dims{outer, segments, inner}), outer, segments, inner), {outer, segments, inner});
    const Source before = *pad(totals, Dims{0, 1, 0}, Dims{0, -1, 0}, Dims(3, 0), bits());
    const Ref arguments[2] = {*broadcast_in_dim(before, Dims{0, 1, 3}, cut), local};
    return apply_region(block_, region_, arguments, outer * n * inner)[0];
  }

  Source stored(const Ref& ref, const Dims& dims) { return block_.graph.as_source(ref, init_.type, dims); }

 private:
  std::vector<std::byte> bits() const { return {init_.bits.begin(), init_.bits.begin() + static_cast<ptrdiff_t>(size_of(init_.type))}; }

  Source copy(const Source& source) {
    Dims dims;
    for (const AccessMap::Dim& dim : source.map.dims) dims.push_back(dim.size);
    const NodeId node = block_.graph.add({TileOpcode::kCopy, emulator::lane_of(source.type), source.type, 0}, source.map.size(), {source});
    return stored(node, dims);
  }

  Ref run_padded(const Source& value, int64_t outer, int64_t n, int64_t inner) {
    const int64_t more = round_up(n, kSegment) - n;
    std::optional<Source> padded = pad(value, Dims(3, 0), Dims{0, more, 0}, Dims(3, 0), bits());
    const Source whole = copy(padded ? *padded : *pad(copy(value), Dims(3, 0), Dims{0, more, 0}, Dims(3, 0), bits()));
    const Source all = stored(run(whole, outer, n + more, inner), {outer, n + more, inner});
    return *slice(all, Dims(3, 0), Dims{outer, n, inner}, Dims(3, 1));
  }

  // One program: all of [outer, inner] are lanes.
  Source scan(const Source& value, int64_t outer, int64_t n, int64_t inner) {
    const Dims dims{outer, n, inner}, order{1, 0, 2};
    const Source result = Source::dense(kNoStorage, init_.type, dims);
    int level = block_.builder.available(value.storage);
    for (const SourceIndex& index : value.indices) level = std::max(level, block_.builder.available(index.storage));
    const StorageId out = block_.new_temporary(outer * n * inner * size_of(init_.type), level);
    BufferTable table(block_.builder.plan);
    dnn::ScanSpec spec{"scan",
                       n,
                       outer * inner,
                       {},
                       outer * n * inner * size_of(init_.type),
                       table.operand(*transpose(value, order)),
                       region_chain(region_),
                       {0, init_.type, transpose(result, order)->map, {}}};
    spec.input_bytes = table.bytes();
    std::vector<StorageId> slots = table.storages();
    slots.push_back(out);
    block_.run_at(level, dnn::scan(spec, block_.builder.chip), std::move(slots));
    return Source::dense(out, init_.type, dims);
  }

  BlockLowering& block_;
  const ir::Block& region_;
  const Splat& init_;
};

}  // namespace

Ref lower_prefix(BlockLowering& block, const ir::Block& region, const Source& value, const Splat& init, const Prefix& prefix) {
  Dims dims;
  for (const AccessMap::Dim& dim : value.map.dims) dims.push_back(dim.size);
  const size_t d = prefix.dimension;
  const Dims flat{volume(std::span(dims).first(d)), dims[d], volume(std::span(dims).subspan(d + 1))};
  const Dims turned{static_cast<int64_t>(d)};
  Scanner scanner(block, region, init);
  Source operand = value;
  const auto packed = [&](const Source& source) {
    const NodeId node = block.graph.add({TileOpcode::kCopy, emulator::lane_of(source.type), source.type, 0}, source.map.size(), {source});
    return scanner.stored(node, dims);
  };
  if (operand.storage == kNoStorage) operand = packed(operand);
  if (prefix.from_end) operand = *reverse(operand, turned);
  std::optional<Source> joined = reshape(operand, flat);
  if (!joined) joined = reshape(packed(operand), flat);
  const Ref result = scanner.run(*joined, flat[0], flat[1], flat[2]);
  if (!prefix.from_end && !std::holds_alternative<Source>(result)) return result;
  const Source whole = *reshape(scanner.stored(result, flat), dims);
  return prefix.from_end ? *reverse(whole, turned) : whole;
}

}  // namespace tt::lowering
