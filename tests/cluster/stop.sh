#!/bin/sh
# End what start.sh FOLDER has started, and its jobs.
folder=$1
export SLURM_CONF="$folder/slurm.conf"
scancel --quiet --user="$(id -un)" 2> /dev/null
for _ in $(seq 50); do
    [ -z "$(squeue --noheader 2> /dev/null)" ] && break
    sleep 0.2
done
for pid_file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munge/pid"; do
    pid=$(cat "$pid_file" 2> /dev/null) || continue
    kill "$pid"
    for _ in $(seq 50); do
        kill -0 "$pid" 2> /dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2> /dev/null
done
exit 0
