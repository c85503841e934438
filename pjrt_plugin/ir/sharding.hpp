// Which piece of an array each partition of a program has: what Shardy's annotations say, without the names of axes.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/shape.hpp"

namespace tt::ir {

struct Mesh;

inline constexpr std::string_view kShardyPrefix = "#sdy.sharding";  // of annotations among other attributes

struct Sharding {
  Dims counts;                 // pieces along each dimension
  std::vector<Dims> piece_of;  // per partition: which piece along each dimension
  int64_t addends = 1;         // of which each piece is the sum: Shardy's unreduced axes
  Dims addend_of;              // per partition

  static Sharding replicated(size_t rank, int64_t partitions);
  bool is_replicated() const;                    // every partition has the whole array
  Sharding reduced() const;                      // the same pieces, summed up
  Sharding within(const Sharding& outer) const;  // of an array that is itself a piece under `outer`: both together
  size_t partitions() const { return piece_of.size(); }
  int64_t num_tiles() const { return volume(counts); }
  int64_t tile_of(size_t partition) const;                          // its piece, row-major among all
  bool covers() const;                                              // every addend of every piece is on as many partitions
  bool divides(const Dims& dims) const;                             // into pieces of one size
  Dims piece_dims(const Dims& dims) const;                          // where it divides them
  void cut(size_t dimension, const Sharding& from, size_t source);  // as `from` is along `source`
  bool operator==(const Sharding&) const = default;
};

using AxisNames = std::set<std::string, std::less<>>;

// The devices of a program in a grid with named axes.
class DeviceMesh {
 public:
  explicit DeviceMesh(std::string_view text);  // <["x"=2, "y"=4]>, perhaps with device_ids=[...]

  std::span<const std::pair<std::string, int64_t>> axes() const { return axes_; }
  int64_t num_devices() const { return static_cast<int64_t>(places_.size()); }
  int64_t position(std::string_view axis, int64_t partition) const;
  int64_t position(const AxisNames& axes, int64_t partition) const;  // row-major among these axes

 private:
  std::vector<std::pair<std::string, int64_t>> axes_;
  std::vector<int64_t> places_;  // by partition: where in the grid, row-major
};
DeviceMesh find_mesh(std::span<const Mesh> meshes, std::string_view name);

// One annotation for an array of `rank` dimensions: <@mesh, [{"x", "y":(1)2}, {?}], replicated={}>. Axes that are not in `only` count as if
// they were not named; null: all count. `open[d]` becomes whether dimension d may be cut further.
Sharding read_sharding(std::string_view text, std::span<const Mesh> meshes, size_t rank, int64_t partitions,
                       const AxisNames* only = nullptr, std::vector<uint8_t>* open = nullptr);
std::string_view mesh_name(std::string_view text);                       // of an annotation
std::vector<std::string_view> split_annotations(std::string_view text);  // [<...>, <...>]: of several values
AxisNames read_axes(std::string_view text);                              // {"x", "y"}

}  // namespace tt::ir
