// What may have to be said, made to text only when it is.
#pragma once

#include <ostream>

#include "base/shape.hpp"

namespace tt {

// Prints as to_string(value). For the parts of messages: `require` and `check` take them whether they fail or not.
template <class T>
class Text {
 public:
  explicit Text(const T& value) : value_(value) {}
  friend std::ostream& operator<<(std::ostream& out, const Text& text) { return out << to_string(text.value_); }

 private:
  const T& value_;
};

}  // namespace tt
