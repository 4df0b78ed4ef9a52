#!/usr/bin/env bash
# Builds the firmware for QEMU and the emulated RP2040 from Debian packages alone, and links it into a folder.
#   usage: emulators.sh LINK [PART...]          no part: all of them
# A part is emulators/PART.sh, which sets what it is made of and defines build, a function that leaves its files in $STAGE. Each is
# kept in $XDG_CACHE_HOME/l3mote/PART-KEY (KEY: what it is made of; remove the folder to build anew), its files are linked in LINK.
# Sources come from Debian trixie through a private apt configuration: the machine's own sources and lists stay as they are.
set -euo pipefail

SUITE=trixie
ALL=(qemu m4 m33 rv32 lx7 rp2040)
LINK=$(realpath -m -s "${1:?usage: emulators.sh LINK [PART...]}")
shift
HERE=$(cd "$(dirname "$0")" && pwd)/emulators
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/l3mote
JOBS=$(nproc)
TEMPORARY=$(mktemp -d)
trap 'rm -rf "$TEMPORARY"' EXIT

say() { echo "emulators: $*" >&2; }
die() { say "$*"; exit 1; }

installed() { dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok'; }

# require PACKAGE...: install those that are not there
require() {
    local package packages=()
    for package; do installed "$package" || packages+=("$package"); done
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "needs these Debian packages: ${packages[*]}"
    [ "$(id -u)" = 0 ] || die "as root, run: apt-get install ${packages[*]}"
    say "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
}

# Write an apt configuration of SUITE's own: where this machine gets Debian from, but another release, and lists in $1.
private_apt() {
    local uri key=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(apt-get indextargets --format '$(REPO_URI)|$(LABEL)|$(COMPONENT)' | sed -n 's/|Debian|main$//p' | head -n 1)
    [ -n "$uri" ] || die "apt has no Debian archive among its sources: add one and run apt-get update"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/empty"
    printf '%s [signed-by=%s] %s %s main\n' deb "$key" "$uri" $SUITE deb-src "$key" "$uri" $SUITE >"$1/sources.list"
    cat >"$1/apt.conf" <<EOF
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "$1/empty";
Dir::Etc::preferences "$1/empty/none";
Dir::Etc::preferencesparts "$1/empty";
Dir::State::lists "$1/lists";
Dir::Cache "$1/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
EOF
    APT_CONFIG=$1/apt.conf apt-get update -qq
}

# apt COMMAND...: apt-get in SUITE
apt() {
    [ -e "$TEMPORARY/apt/lists/lock" ] || private_apt "$TEMPORARY/apt"
    APT_CONFIG=$TEMPORARY/apt/apt.conf apt-get -qq "$@"
}

# fetch_source PACKAGE [PATTERN...]: the source, or what of it matches, unpacked as ./PACKAGE
fetch_source() {
    local package=$1
    shift
    apt source --download-only "$package"
    mkdir "$package"
    tar xf "$package"_*.orig.tar.xz -C "$package" --strip-components=1 --wildcards "$@"
}

# fetch_packages FOLDER PACKAGE...: the files of packages, unpacked in a folder
fetch_packages() {
    local package folder=$1
    shift
    mkdir -p "$folder"
    # /SUITE, else apt may take a package that the machine has installed in another version
    for package; do apt download "$package/$SUITE"; done
    for package in *.deb; do dpkg-deb -x "$package" "$folder"; done
}

# describe PART: NEEDS (other parts), FILES (in emulators/), PACKAGES to build it, RUN (packages to run it); build
describe() {
    [ -e "$HERE/$1.sh" ] || die "unknown part $1: choose from ${ALL[*]}"
    NEEDS=() FILES=() PACKAGES=() RUN=()
    # shellcheck disable=SC1090
    . "$HERE/$1.sh"
}

# part NAME: its folder in the cache
part() (
    describe "$1"
    key=$(
        echo $SUITE "$(uname -m)"
        for need in "${NEEDS[@]}"; do part "$need"; done
        cd "$HERE" && find "$1.sh" "${FILES[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat
    )
    echo "$CACHE/$1-$(sha256sum <<<"$key" | cut -c1-12)"
)

# A line for each package that the part is made of and each file made.
versions() {
    find "$1" -maxdepth 1 \( -name '*.dsc' -o -name '*.deb' \) -printf '%f\n' | LC_ALL=C sort
    [ ${#PACKAGES[@]} = 0 ] || dpkg-query -W -f '${Package} ${Version}\n' "${PACKAGES[@]}"
    (cd "$STAGE" && find . -maxdepth 1 \( -name '*.elf' -o -name '*.bin' \) -printf '%P\n' | LC_ALL=C sort | xargs -r sha256sum)
}

build_part() (
    out=$(part "$1")
    log=$TEMPORARY/$1.log
    mkdir -p "$CACHE" "$TEMPORARY/$1"
    STAGE=$(mktemp -d "$out.XXXX")
    trap 'status=$?; [ $status = 0 ] || tail -n 30 "$log" >&2; rm -rf "$TEMPORARY/${1:?}" "$STAGE"; exit $status' EXIT
    cd "$TEMPORARY/$1"
    build >"$log" 2>&1
    versions . >"$STAGE/$1.versions"
    chmod 755 "$STAGE"
    rm -rf "$out"
    mv "$STAGE" "$out"
)

# make_part PART: have it in the cache, after the parts that it needs, and its files in LINK
make_part() {
    local need needs
    describe "$1"
    needs=("${NEEDS[@]}")
    for need in "${needs[@]}"; do make_part "$need"; done
    describe "$1"
    require "${RUN[@]}"
    if [ ! -e "$(part "$1")/$1.versions" ]; then
        require "${PACKAGES[@]}"
        say "building $1 ($SECONDS s)"
        build_part "$1"
    fi
    ln -sfn "$(part "$1")"/* "$LINK/"
}

[ ! -L "$LINK" ] || rm "$LINK" # an older version's
mkdir -p "$LINK"
[ $# -gt 0 ] || set -- "${ALL[@]}"
for name; do make_part "$name"; done
say "$LINK has $* ($SECONDS s)"
