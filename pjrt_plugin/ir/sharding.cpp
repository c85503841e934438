// Reads Shardy's annotations, which the IR keeps as text.
#include "ir/sharding.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"
#include "ir/ir.hpp"

namespace tt::ir {
namespace {

// The text of an annotation, from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : whole_(text), rest_(text) {}

  bool sees(std::string_view token) {
    skip_space();
    return rest_.starts_with(token);
  }
  bool take(std::string_view token) {
    if (!sees(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) { require(take(token), "[sharding] ", whole_, ": expected ", token, " before \"", rest_, "\""); }
  std::string_view name() {  // in quotes
    expect("\"");
    const size_t end = std::min(rest_.find('"'), rest_.size());
    return cut(end, 1);
  }
  std::string_view until(std::string_view stops) {
    skip_space();
    return cut(std::min(rest_.find_first_of(stops), rest_.size()), 0);
  }
  int64_t number() {
    skip_space();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    require(error == std::errc(), "[sharding] ", whole_, ": expected a number before \"", rest_, "\"");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  // A list between brackets; `item` reads one entry.
  template <class Item>
  void list(std::string_view open, std::string_view close, const Item& item) {
    expect(open);
    while (!take(close)) {
      item();
      if (!sees(close)) expect(",");
    }
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  std::string_view cut(size_t length, size_t behind) {
    const std::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(std::min(length + behind, rest_.size()));
    return out;
  }

  std::string_view whole_, rest_;
};

// How a dimension is cut: into `count` pieces, and which of them each partition has.
struct Cut {
  int64_t count = 1;
  Dims piece_of;
};

// "x" or "x":(before)size, which is a part of the axis: the places along it are [before, size, rest].
void cut_by_axis(Scanner& in, const DeviceMesh& mesh, const AxisNames* only, Cut& cut) {
  const std::string_view axis = in.name();
  const auto axes = mesh.axes();
  const auto found = std::find_if(axes.begin(), axes.end(), [&](const auto& a) { return a.first == axis; });
  require(found != axes.end(), "[sharding] the mesh has no axis \"", axis, "\"");
  int64_t size = found->second, behind = 1;
  if (in.take(":(")) {
    const int64_t before = in.number();
    in.expect(")");
    size = in.number();
    require(before > 0 && size > 0 && found->second % (before * size) == 0, "[sharding] (", before, ")", size, " of axis \"", axis,
            "\" of ", found->second, " devices");
    behind = found->second / (before * size);
  }
  if (only != nullptr && !only->contains(axis)) return;
  cut.count *= size;
  for (size_t p = 0; p < cut.piece_of.size(); ++p) {
    cut.piece_of[p] = cut.piece_of[p] * size + mesh.position(axis, static_cast<int64_t>(p)) / behind % size;
  }
}

}  // namespace

Sharding Sharding::replicated(size_t rank, int64_t partitions) {
  const auto count = static_cast<size_t>(partitions);
  return {Dims(rank, 1), std::vector<Dims>(count, Dims(rank, 0)), 1, Dims(count, 0)};
}

Sharding Sharding::reduced() const {
  Sharding out = *this;
  out.addends = 1;
  out.addend_of.assign(partitions(), 0);
  return out;
}

Sharding Sharding::within(const Sharding& outer) const {
  Sharding out = outer;
  for (size_t d = 0; d < counts.size(); ++d) out.counts[d] *= counts[d];
  out.addends *= addends;
  for (size_t p = 0; p < partitions(); ++p) {
    for (size_t d = 0; d < counts.size(); ++d) out.piece_of[p][d] = outer.piece_of[p][d] * counts[d] + piece_of[p][d];
    out.addend_of[p] = outer.addend_of[p] * addends + addend_of[p];
  }
  return out;
}

bool Sharding::is_replicated() const {
  return addends == 1 && std::all_of(counts.begin(), counts.end(), [](int64_t count) { return count == 1; });
}

int64_t Sharding::tile_of(size_t partition) const {
  int64_t tile = 0;
  for (size_t d = 0; d < counts.size(); ++d) tile = tile * counts[d] + piece_of[partition][d];
  return tile;
}

bool Sharding::covers() const {
  std::vector<size_t> owners(static_cast<size_t>(num_tiles() * addends), 0);
  for (size_t p = 0; p < partitions(); ++p) ++owners[static_cast<size_t>(tile_of(p) * addends + addend_of[p])];
  return std::all_of(owners.begin(), owners.end(), [&](size_t count) { return count > 0 && count == owners[0]; });
}

void Sharding::cut(size_t dimension, const Sharding& from, size_t source) {
  counts[dimension] = from.counts[source];
  for (size_t p = 0; p < partitions(); ++p) piece_of[p][dimension] = from.piece_of[p][source];
}

bool Sharding::divides(const Dims& dims) const {
  if (dims.size() != counts.size()) return false;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] % counts[d] != 0) return false;
  }
  return true;
}

Dims Sharding::piece_dims(const Dims& dims) const {
  Dims piece = dims;
  for (size_t d = 0; d < dims.size(); ++d) piece[d] /= counts[d];
  return piece;
}

DeviceMesh::DeviceMesh(std::string_view text) {
  constexpr int64_t kMost = 1 << 20;  // devices
  Scanner in(text);
  int64_t devices = 1;
  in.expect("<");
  in.list("[", "]", [&] {
    const std::string axis(in.name());
    in.expect("=");
    axes_.emplace_back(axis, in.number());
    require(axes_.back().second > 0 && axes_.back().second <= kMost / devices, "[sharding] a mesh ", text);
    devices *= axes_.back().second;
  });
  places_.resize(static_cast<size_t>(devices));
  for (size_t i = 0; i < places_.size(); ++i) places_[i] = static_cast<int64_t>(i);
  if (axes_.empty() || !in.take(",")) return;
  in.expect("device_ids=");
  int64_t place = 0;
  in.list("[", "]", [&] {
    const int64_t id = in.number();
    require(id >= 0 && id < devices && place < devices, "[sharding] a mesh ", text);
    places_[static_cast<size_t>(id)] = place++;
  });
}

int64_t DeviceMesh::position(std::string_view axis, int64_t partition) const {
  int64_t place = partition < num_devices() ? places_[static_cast<size_t>(partition)] : 0;
  for (size_t a = axes_.size(); a-- > 0; place /= axes_[a].second) {
    if (axes_[a].first == axis) return place % axes_[a].second;
  }
  return 0;
}

int64_t DeviceMesh::position(const AxisNames& axes, int64_t partition) const {
  int64_t position = 0;
  for (const auto& [axis, size] : axes_) {
    if (axes.contains(axis)) position = position * size + this->position(axis, partition);
  }
  return position;
}

DeviceMesh find_mesh(std::span<const Mesh> meshes, std::string_view name) {
  const auto found = std::find_if(meshes.begin(), meshes.end(), [&](const Mesh& mesh) { return mesh.name == name; });
  require(found != meshes.end(), "[sharding] the program has no mesh @", name);
  return DeviceMesh(found->text);
}

std::string_view mesh_name(std::string_view text) {
  Scanner in(text);
  in.expect("<");
  in.expect("@");
  return in.until(",>");
}

Sharding read_sharding(std::string_view text, std::span<const Mesh> meshes, size_t rank, int64_t partitions, const AxisNames* only,
                       std::vector<uint8_t>* open) {
  if (open != nullptr) open->assign(rank, 0);
  const std::string_view name = mesh_name(text);
  const DeviceMesh mesh = find_mesh(meshes, name);
  Scanner in(text);
  in.until(",>");
  Sharding out = Sharding::replicated(rank, partitions);
  size_t d = 0;
  in.expect(",");
  in.list("[", "]", [&] {
    require(d < rank, "[sharding] ", text, " for an array of ", rank, " dimensions");
    Cut cut{1, Dims(static_cast<size_t>(partitions), 0)};
    in.list("{", "}", [&] {
      if (!in.take("?")) return cut_by_axis(in, mesh, only, cut);
      if (open != nullptr) (*open)[d] = 1;
    });
    if (in.take("p")) in.number();  // a priority
    out.counts[d] = cut.count;
    for (size_t p = 0; p < cut.piece_of.size(); ++p) out.piece_of[p][d] = cut.piece_of[p];
    ++d;
  });
  require(d == rank, "[sharding] ", text, " for an array of ", rank, " dimensions");
  while (in.take(",")) {
    const std::string_view role = in.until("=");
    in.expect("=");
    Cut cut{1, Dims(static_cast<size_t>(partitions), 0)};
    in.list("{", "}", [&] { cut_by_axis(in, mesh, only, cut); });
    if (role != "unreduced") continue;
    out.addends = cut.count;
    out.addend_of = std::move(cut.piece_of);
  }
  require(out.is_replicated() || mesh.num_devices() == partitions, "[sharding] a mesh of ", mesh.num_devices(), " devices in a program of ",
          partitions, " partitions");
  return out;
}

std::vector<std::string_view> split_annotations(std::string_view text) {
  std::vector<std::string_view> out;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<' && depth++ == 0) start = i;
    if (text[i] == '>' && --depth == 0) out.push_back(text.substr(start, i + 1 - start));
  }
  return out;
}

AxisNames read_axes(std::string_view text) {
  AxisNames axes;
  Scanner in(text);
  in.list("{", "}", [&] { axes.emplace(in.name()); });
  return axes;
}

}  // namespace tt::ir
