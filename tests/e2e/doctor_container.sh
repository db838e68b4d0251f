#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft doctor in containers: where nothing is granted no build can work, and it says line by line what
# is to be granted; where that is granted, builds work. Its verdict is always that of a real build.
# shellcheck source=tests/e2e/doctor_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/doctor_lib.sh"

need_root
need python3 runc
container=$WEFT_SRC_DIR/tests/bases/container
make_user
uid=$(id -u "$test_user")

# in_container OWNER OPTION... -- COMMAND...: the state and runtime directories belong to OWNER
in_container()
{
    local owner=$1 dir=$PWD/volume
    shift
    mkdir -p "$dir"
    chown "$owner:$owner" "$dir"
    "$container" --bind "$WEFT_TEST_TMP" --bind-ro "$WEFT_BUILD_DIR" --bind-ro "$WEFT_SRC_DIR" \
        --env WEFT_LIBEXEC="$WEFT_LIBEXEC" --env WEFT_STATE_DIR="$dir/s" --env WEFT_RUNTIME_DIR="$dir/r" "$@"
}

# fresh: with no state
fresh()
{
    rm -rf volume
}

default_profile()
{
    says seccomp status fail
    says seccomp found unshare
    says seccomp found mount
    says seccomp mend securityContext.seccompProfile
    says userns mend "the seccomp profile, as above"
    says handlers status skip
}

agrees "root, nothing granted" fails "seccomp userns" in_container 0 --
default_profile
fresh
agrees "an ordinary user, nothing granted" fails "seccomp userns" in_container "$uid" --user "$uid" --
default_profile
fresh
agrees "a user namespace, the default profile" fails "seccomp userns" in_container 100000 --userns --
default_profile
fresh
agrees "root without capabilities, the default profile" fails "idmap seccomp userns" in_container 0 --cap-drop ALL --
says idmap found SETFCAP
says idmap mend capabilities.add
fresh
agrees "no capabilities, no new privileges" fails "idmap seccomp userns" \
    in_container 12345 --user 12345 --cap-drop ALL --no-new-privs --
fresh

agrees "the profile granted" works "" in_container 0 --seccomp weft --
says seccomp found "a filter is set"
says proc status warn
says proc mend "procMount: Unmasked"
says cgroup found "version 2"
says handlers status ok
fresh
agrees "profile and user namespace granted, and no more capabilities than that takes" works "" \
    in_container 100000 --userns --seccomp weft --no-new-privs --cap-drop ALL --cap-add SETUID,SETGID,SETFCAP --
says idmap found "65536 "
fresh
agrees "/proc granted as well" works "" in_container 100000 --userns --unmasked --seccomp weft --
says proc status ok
fresh

agrees "profile without capabilities" fails idmap in_container 100000 --userns --seccomp weft --cap-drop ALL --
says idmap mend SETFCAP
fresh
agrees "an ordinary user whose newuidmap may nothing" fails idmap in_container "$uid" --user "$uid" --seccomp weft --no-new-privs --
says idmap found newuidmap
fresh

for call in unshare mount umount2 sethostname keyctl pivot_root; do
    ids="runtime seccomp"
    case $call in
    unshare | mount) ids="seccomp userns" ;;
    esac
    agrees "the profile granted but for $call" fails "$ids" in_container 0 --seccomp weft --deny "$call" --
    says seccomp found "refused: $call"
    fresh
done
expect "containers left" "$(find /tmp -maxdepth 1 -name 'weft-container-*')" ""
