// How the parts of the helper answer: once, in the loop, with a value or an error.
#pragma once

#include "base/loop.hpp"
#include "bus/errors.hpp"

#include <functional>

namespace banger::helper {

/// A result without content.
struct Nothing {};
template <class T>
using Done = std::function<void(Outcome<T>)>;

/// The loop's part of a step: what it throws is the answer.
template <class T, class Body>
void guarded(const Done<T>& done, Body&& body) noexcept {
    try {
        body();
    } catch (...) {
        done(bus::current_error());
    }
}

} // namespace banger::helper
