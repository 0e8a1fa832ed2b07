#!/usr/bin/env bash
# The whole table of docs/table.md: every method on held-out tasks, and on the library's tasks. It goes on where it
# was interrupted. PROCESSES share the tasks; HELD names the held-out tasks, TRAINED the trained ones, BENCHMARKS the
# public benchmarks, by commas (all of split eval, all of split train, none). In OUT other than results docs stay as they are.
#   bash scripts/table.sh SUITES LIBRARY MULTITASK [OUT]
set -euo pipefail
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
suites=$(tr , '\n' <<<"$1" | while read -r suite; do absolute "$suite"; done | paste -sd,)
library=$(absolute "$2") multitask=$(absolute "$3")
cd "$(dirname "$0")/.."
out=${4:-results}
python=${PYTHON:-.venv/bin/python}

evaluate() {
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    "$python" -m torch.distributed.run --standalone --nproc_per_node "${PROCESSES:-2}" -m t2l \
        eval --tasks "$suites" "$@"
}
held() { evaluate --split eval ${HELD:+--names "$HELD"} --limit 100 --out "$out/table.jsonl" "$@"; }
seen() { evaluate --split train ${TRAINED:+--names "$TRAINED"} --limit 30 --out "$out/table.seen.jsonl" "$@"; }
loras=(--library "$library" --multitask "$multitask")

held "${loras[@]}" --checkpoint smollm2-135m-t2l-m --methods base,description,icl_1,icl_3,icl,icl_10,description_icl,\
t2l,t2l_told,t2l_told_icl,t2l_told_other,mean,multitask,nearest,arrow
for size in l s; do
    held --checkpoint smollm2-135m-t2l-$size --methods t2l,t2l_other,t2l_junk
done
held "${loras[@]}" --checkpoint smollm2-135m-dnd --seeds 2 \
    --methods dnd,dnd_1,dnd_4,dnd_64,dnd_mean,dnd_other,dnd_junk,training
held --checkpoint smollm2-135m-dnd --methods finetune_16,finetune_64,finetune_256
[ -z "${BENCHMARKS:-}" ] || HELD=$BENCHMARKS held "${loras[@]}" --checkpoint smollm2-135m-t2l-m --benchmarks \
    --methods base,description,icl,t2l_told,t2l_told_other,mean,multitask,nearest
seen "${loras[@]}" --checkpoint smollm2-135m-t2l-m --methods base,t2l_told_seen,t2l_told_unseen,oracle,mean,multitask
seen --checkpoint smollm2-135m-dnd --methods dnd,dnd_mean
"$python" -m t2l analyse --tasks "$suites" --checkpoints smollm2-135m-t2l-m \
    --library "$library" --out "$out/analysis.json"
"$python" -m t2l report "$out/table.jsonl" --seen "$out/table.seen.jsonl" --analysis "$out/analysis.json" \
    $([ "$out" != results ] || echo "--into docs/table.md --plots docs/plots")
