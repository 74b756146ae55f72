# Shell functions of tools/demo and tools/check: packages and builds. To be sourced; $top is the repository.
# shellcheck shell=bash

set -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=${0##*/}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# packages_of GROUP…: their names, one per line.
packages_of() {
    local group
    for group; do
        awk -v group="$group" '$1 == group { for (i = 2; i <= NF; i++) print $i }' "$top/tools/packages"
    done | sort -u
}

# missing_of PACKAGE…: those that are not installed.
missing_of() {
    comm -23 <(printf '%s\n' "$@" | sort -u) \
        <(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | sort -u)
}

# need GROUP…: installs what is missing; quiet, on standard error.
need() {
    local wanted missing log
    mapfile -t wanted < <(packages_of "$@")
    mapfile -t missing < <(missing_of "${wanted[@]}")
    ((${#missing[@]} == 0)) && return 0
    command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get: ${missing[*]}"
    ((EUID == 0)) || die "these packages are missing; install them, or run this as root: ${missing[*]}"
    say "installing ${#missing[@]} packages: ${missing[*]}"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get -q update && apt-get -qy install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        die "the packages could not be installed"
    fi
    rm -f "$log"
}

# configure PRESET: once; ninja repeats it where a CMakeLists.txt has changed.
configure() {
    local folder=$top/build/$1 log
    [[ -e $folder/build.ninja ]] && return 0
    say "configuring build/$1"
    log=$(mktemp)
    if ! (cd "$top" && cmake --preset "$1") >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        rm -f "$folder/build.ninja"
        die "cmake --preset $1 failed"
    fi
    rm -f "$log"
}

# build PRESET [TARGET…]: ninja, which is done at once when there is nothing to do.
build() {
    local preset=$1 folder=$top/build/$1 log
    shift
    configure "$preset"
    log=$(mktemp)
    if ! ninja -C "$folder" "$@" 2>&1 </dev/null | tee "$log" |
        awk -v text="$me: building build/$preset" '/\] (Building|Linking|Generating) / && !said { said = 1; print text; fflush() }' >&2; then
        grep -A 30 -m 1 FAILED "$log" >&2 || tail -n 40 "$log" >&2
        rm -f "$log"
        die "the build failed"
    fi
    rm -f "$log"
}

# build_programs PRESET: the programs and modules, without the tests.
build_programs() {
    build "$1" banger banger-agent banger-jail banger-qemu banger-daemon-role banger-helper-role
}
