#!/bin/sh
# Makes what the Makefile's targets run on, from nothing but Python, make and the package
# registries, and does nothing where it is there already:
#
#   local/setup.sh dev         .venv, from tests/requirements.txt, and the functions' C code, compiled
#   local/setup.sh ministack   .local/ministack, the local AWS
#   local/setup.sh sam         .local/sam, the SAM CLI
#   local/setup.sh fuzz        .local/fuzz, atheris, for `make fuzz`
#   local/setup.sh audit       .local/audit, checkov and pip-audit, for `make audit`
#   local/setup.sh compiler    .local/compiler, the C compiler that `sam build` calls too
#   local/setup.sh uv          .local/uv, for `make lock`
#   local/setup.sh unzip       the unzip program (Debian package)
#   local/setup.sh unzippers   unzip, 7z, bsdtar and java, with which the tests read archives
#   local/setup.sh chromium    the browser that the tests drive, with fonts for its pictures
#
# Several names may be given. PYTHON names the interpreter, where python3 is not the one wanted.
# The tools pin much of what they stand on (two of them their own botocore), so each has an environment of its own.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .local

UV_VERSION=0.13.9

fail() {
    echo "$*" >&2
    exit 1
}

# run LOG COMMAND...: the command's words go to the log; they are shown only when it fails.
run() {
    log=$1
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "That failed: $* (all of it: $log)"
    fi
}

new_enough() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null
}

# The first of these interpreters that is 3.11 to 3.14.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 to 3.14."
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.13 python3.14 python3.12 python3.11; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 to 3.14 is needed, and none was found. Name one with PYTHON=..."
}

# install_debian PACKAGE...
install_debian() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "These are missing here, by the names of their Debian packages: $*. Please install them."
    if [ "$(id -u)" = 0 ]; then
        root=
    elif command -v sudo >/dev/null 2>&1; then
        root=sudo
    else
        fail "Missing, and this is neither root nor has sudo. As root: apt-get install $*"
    fi
    echo "· Installing $* (apt-get)"
    # sudo asks for its password here, in sight, not behind the log.
    if [ -n "$root" ]; then $root -v; fi
    run .local/apt.log $root env DEBIAN_FRONTEND=noninteractive apt-get update
    run .local/apt.log $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "$@"
}

# present PROGRAM, or present font:LANGUAGE for any font that has the language's letters.
present() {
    case $1 in
    font:*) [ -n "$(fc-list ":lang=${1#font:}" 2>/dev/null)" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# need PROGRAM=PACKAGE... (or font:LANGUAGE=PACKAGE): installs the packages of what is missing, in one go.
need() {
    packages=
    for pair in "$@"; do
        present "${pair%%=*}" || packages="$packages ${pair#*=}"
    done
    # The list is meant to be split into words.
    if [ -n "$packages" ]; then install_debian $packages; fi
}

# environment DIRECTORY REQUIREMENTS: a virtual environment with exactly what the file locks. It is
# made anew when the file or the interpreter changed since; the stamp is written last, so that a run
# that was broken off is done again.
environment() {
    python=$(find_python)
    stamp=$1/.made-from
    wanted=$("$python" -c 'import sys; print(sys.version)' && cat "$2")
    if [ -x "$1/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    # Debian ships venv without ensurepip, which is in a package of its own.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        install_debian "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    echo "· Installing $2 into $1"
    log=.local/$(basename "$1").log
    run "$log" "$python" -m venv --clear "$1"
    # The file is complete, so pip has nothing to resolve (and older ones stumble over extras there);
    # wheels only, since a new machine has no compiler.
    run "$log" "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --only-binary :all: -r "$2"
    printf '%s\n' "$wanted" >"$stamp"
}

for part in "$@"; do
    case $part in
    dev)
        environment .venv tests/requirements.txt
        .venv/bin/python -m infra.native
        ;;
    compiler) environment .local/compiler local/compiler.requirements.txt ;;
    ministack) environment .local/ministack local/ministack.requirements.txt ;;
    sam) environment .local/sam local/sam.requirements.txt ;;
    fuzz) environment .local/fuzz local/fuzz.requirements.txt ;;
    audit) environment .local/audit local/audit.requirements.txt ;;
    uv)
        # Only the tool that writes the hashes is installed without one.
        if [ "$(.local/uv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
            echo "· Installing uv $UV_VERSION into .local/uv"
            run .local/uv.log "$(find_python)" -m venv --clear .local/uv
            run .local/uv.log .local/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
        fi
        ;;
    unzip) need unzip=unzip ;;
    # javac stands for the compiler that `java File.java` needs and a headless runtime lacks.
    unzippers) need unzip=unzip 7z=p7zip-full bsdtar=libarchive-tools javac=default-jdk-headless ;;
    # The smallest packages that have Latin and Arabic letters, Chinese, Japanese and Korean ones, and emoji
    # (und-zsye is what fontconfig calls their language).
    chromium)
        need chromium=chromium fc-list=fontconfig font:ar=fonts-dejavu-core font:ja=fonts-wqy-microhei \
            font:und-zsye=fonts-noto-color-emoji
        ;;
    *) fail "local/setup.sh knows no '$part': see its head" ;;
    esac
done
