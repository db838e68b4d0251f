#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The terminal display under a real terminal emulator (tmux): recorded builds are played at several
# sizes, and once while the terminal is resized. Nothing torn, nothing left, the cursor back.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

command -v tmux >/dev/null || skip "tmux is missing"
replay=$WEFT_BUILD_DIR/tests/progress-replay
data=$WEFT_SRC_DIR/tests/data/progress
socket=
runs=0

tmux_()
{
    tmux -S "$socket" -f /dev/null "$@"
}

stop_tmux()
{
    tmux_ kill-server 2>/dev/null || true
}
trap 'rc=$?; set +e; stop_tmux; (exit "$rc"); clean_up' EXIT

screen() { tmux_ capture-pane -p; }
history() { tmux_ capture-pane -p -S -500; }

# wait_for WHAT: until the screen shows it.
wait_for()
{
    for ((i = 0; i < 150; i++)); do
        if screen | grep -qF -- "$1"; then
            return
        fi
        sleep 0.1
    done
    screen
    fail "no '$1' on the screen"
}

# start COLUMNS ROWS SPEED [VARIABLE=VALUE...]: play five lanes; the shell says "over RC" at the end.
start()
{
    local columns=$1 rows=$2 speed=$3
    shift 3
    # a server that was told to end may still answer
    runs=$((runs + 1))
    socket=$WEFT_TEST_TMP/tmux$runs
    tmux_ new-session -d -x "$columns" -y "$rows" "$(printf '%q ' env -u NO_COLOR -u CI \
        LC_ALL=C.UTF-8 "$@" "$replay" -m tty -s "$speed" -d 200 \
        "linux/arm64=emulated (QEMU 7.2)=$data/ok.timed" "linux/amd64=native=$data/context.timed" \
        "linux/arm/v7=emulated (QEMU 7.2)=$data/fail.timed" \
        "linux/riscv64=emulated (QEMU 7.2)=$data/crash.timed" \
        "linux/s390x=emulated (QEMU 7.2)=$data/ok.timed"); echo over \$?; exec sleep 1000"
}

# finish COLUMNS: check what is left of a run.
finish()
{
    wait_for "over 1"
    expect "cursor shown" "$(tmux_ display-message -p '#{cursor_flag}')" 1
    expect "wrapping" "$(tmux_ display-message -p '#{wrap_flag}')" 1
    history >"$WEFT_TEST_TMP/history"
    if (($1 >= 60)); then
        grep -q '^✔ linux/arm64    6 steps, [0-9.]*s, emulated (QEMU 7.2)$' "$WEFT_TEST_TMP/history" ||
            fail "no summary of linux/arm64"
        grep -q '^✘ linux/arm/v7   .*  exit code 2  ' "$WEFT_TEST_TMP/history" || fail "no failed line"
    fi
    # -J joins the lines that the terminal broke
    tmux_ capture-pane -p -J -S -500 | grep -q 'crashed with signal 11' || fail "no diagnosis"
    stop_tmux
}

for size in 200x50 80x24 40x24 80x8 20x12; do
    note "$size"
    start "${size%x*}" "${size#*x}" 6
    finish "${size%x*}"
    # one header: no frame was left behind by a wrong count of lines
    expect "headers at $size" "$(grep -c '^weft build' "$WEFT_TEST_TMP/history")" 1
done

note "while it runs"
start 100 30 1
wait_for "   cc -O2 -c file9.c"
screen | grep -q '^▸ linux/arm64    \[builder 3/5\] RUN for i in' || fail "no lane of linux/arm64"
for columns in 80 50 30 60 120; do
    tmux_ resize-window -x "$columns" -y 30
    sleep 0.4
    # what does not fit when old lines are broken anew goes to the scrollback, whoever draws
    expect "headers at $columns columns" "$(screen | grep -c '^weft build')" 1
    expect "lanes at $columns columns" "$(screen | grep -c '^[▸✔✘·] linux/')" 5
done
finish 120

note "NO_COLOR"
start 80 24 2 NO_COLOR=1
wait_for "   cc -O2 -c file9.c"
tmux_ capture-pane -p -e | grep -q $'\033' && fail "colours in spite of NO_COLOR"
finish 80
