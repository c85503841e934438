// Shardy's attributes, kept as text: on one device they mean nothing, and printing them back is all that is asked.
#include "ir/attribute_text.hpp"
#include "stablehlo/tables.hpp"

namespace tt::stablehlo {
namespace {

// An attribute inside another: a string in quotes, a symbol, or Shardy's own without its prefix.
std::string inner_text(const ir::Attribute& attribute) {
  if (const auto* foreign = std::get_if<ir::Foreign>(&attribute.value)) return foreign->text.substr(ir::kShardyPrefix.size());
  return to_string(attribute);
}

}  // namespace

std::string Tables::shardy_list(Bytes& b, std::string_view open, std::string_view close) {
  std::string out;
  for (size_t n = b.count(); n > 0; --n) {
    out += (out.empty() ? "" : ", ") + inner_text(attribute(b.varint()));
    charge(1 + out.size() / 64);
  }
  return cat(open, out, close);
}

std::string Tables::shardy_text(Bytes& b) {
  const uint64_t code = b.varint();
  switch (code) {
    case 0:
    case 11: return shardy_list(b, "{", "}");  // manual axes, a list of axes
    case 1: {
      const std::string& name = string(b.varint());
      return cat(ir::quoted(name), "=", b.signed_varint());
    }
    case 2: {
      std::string axes = shardy_list(b, "[", "]");
      Dims ids;
      for (size_t n = b.count(); n > 0; --n) ids.push_back(b.signed_varint());
      return cat("<", axes, ids.empty() ? "" : ", device_ids=" + ir::list_text(ids), ">");
    }
    case 3: {
      const int64_t before = b.signed_varint();
      return cat(":(", before, ")", b.signed_varint());
    }
    case 4: {
      std::string out = ir::quoted(string(b.varint()));
      const uint64_t part = b.varint();
      return part & 1 ? out + inner_text(attribute(part >> 1)) : out;
    }
    case 5: {
      const std::string axes = shardy_list(b, "", "");
      const bool closed = b.byte() != 0;
      const uint64_t priority = b.varint();
      return cat("{", axes, closed ? "" : axes.empty() ? "?" : ", ?", "}", priority & 1 ? cat("p", priority >> 1) : "");
    }
    case 6:
    case 15: {
      std::string out = "<" + inner_text(attribute(b.varint()));
      out += shardy_list(b, ", [", "]");
      const std::string replicated = shardy_list(b, "", "");
      if (!replicated.empty()) out += ", replicated={" + replicated + "}";
      const std::string unreduced = code == 15 ? shardy_list(b, "", "") : "";
      if (!unreduced.empty()) out += ", unreduced={" + unreduced + "}";
      return out + ">";
    }
    case 7:
    case 16: return shardy_list(b, "[", "]");  // one sharding per value
    default: return "<>";                      // of operations that only a partitioner would read
  }
}

}  // namespace tt::stablehlo
