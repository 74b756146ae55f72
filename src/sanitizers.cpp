// Linked into sanitizer builds only: their options, which no environment can give to a process that clears it.

#if defined(__SANITIZE_ADDRESS__)
/// LeakSanitizer stops a process inside a private instance for ever at its exit; the unit tests look for leaks.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
    return "detect_leaks=0";
}
#endif

#if defined(__SANITIZE_THREAD__)
/// A race ends the process, so that a test notices it.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
    return "halt_on_error=1:second_deadlock_stack=1";
}
#endif
