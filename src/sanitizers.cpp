// Linked into sanitizer builds only: their options, which no environment can give to a process that clears
// it.

#define BANGER_EXPORTED extern "C" __attribute__((visibility("default")))

#if defined(__SANITIZE_ADDRESS__) && !defined(BANGER_LOOK_FOR_LEAKS)
/// LeakSanitizer spins for ever at the exit of a process inside a private instance; the unit tests look for
/// leaks.
BANGER_EXPORTED const char* __asan_default_options() {
    return "detect_leaks=0";
}
#endif

#if defined(__SANITIZE_THREAD__)
/// A race ends the process, so that a test notices it.
BANGER_EXPORTED const char* __tsan_default_options() {
    return "halt_on_error=1:second_deadlock_stack=1:report_mutex_bugs=0";
}
/// GLib's own locks are futexes that ThreadSanitizer does not see, and these libraries were not compiled for
/// it: what they lock, allocate and free by themselves is left out. What they call back is not.
BANGER_EXPORTED const char* __tsan_default_suppressions() {
    return "called_from_lib:libglib-2.0.so\ncalled_from_lib:libgio-2.0.so\ncalled_from_lib:libgobject-2.0."
           "so\n"
           "called_from_lib:libpolkit-gobject-1.so\ncalled_from_lib:libsoup-3.0.so\n"
           "called_from_lib:libsdbus-c++.so\ncalled_from_lib:libsystemd.so\n";
}
#endif
