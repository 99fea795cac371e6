#!/bin/sh
# Start Slurm with two nodes on this machine, as root: start.sh FOLDER. All that it writes is in FOLDER.
# Needs Debian's slurm-wlm and munge. stop.sh FOLDER ends it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
host=$(hostname -s)
port=$((20000 + $$ % 20000))  # another's, so that two may run at once
sed -e "s|@HOST@|$host|" -e "s|@DIR@|$folder|" -e "s|@PORT@|$port|" \
    -e "s|@NODE_PORT@|$((port + 1))|" -e "s|@SECOND_PORT@|$((port + 2))|" "$here/slurm.conf" > "$folder/slurm.conf"
export SLURM_CONF="$folder/slurm.conf"
{
    dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1
    chmod 400 "$folder/munge/key"
    # --force: the folders above are those of whoever runs the tests.
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    slurmctld -c
    slurmd -N "$host"
    # Where this is not allowed, the second node stays down, and what needs it is skipped.
    unshare --uts sh -c 'hostname second && exec slurmd -N second' || true
} > "$folder/start.log" 2>&1 < /dev/null || true
for _ in $(seq 100); do
    if [ "$(sinfo --noheader --partition=main --format=%T 2> /dev/null)" = idle ]; then
        exit 0
    fi
    sleep 0.2
done
tail -n 20 "$folder"/*.log "$folder/munge/log" >&2
exit 1
