// Listing of operands and results.
#include "dnn/text.hpp"

#include "base/error.hpp"

namespace tt::dnn {

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string describe(const Operand& operand, Cb cb) {
  const std::string from = operand.buffer == kNoBuffer ? "index" : cat("slot ", operand.buffer);
  std::string text = cat("cb ", int{cb}, " <- ", from, " ", name(operand.type), " ", to_string(operand.map),
                         operand.indices.empty() ? "" : " + dynamic offset");
  for (const Operand* layer = &operand; !layer->beneath.empty();) {
    layer = &layer->beneath[0];
    text += cat(", else slot ", layer->buffer, " ", to_string(layer->map));
  }
  return text;
}

std::string describe(const Result& result, Cb cb, Slot slot) {
  return cat("cb ", int{cb}, " -> slot ", slot, " ", name(result.type), " ", to_string(result.map),
             result.indices.empty() ? "" : " + dynamic offset");
}

}  // namespace tt::dnn
