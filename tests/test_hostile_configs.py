"""Whatever stands in a config: it is accepted, or one line says what is wrong with it."""

from collections import Counter

import hostile

CASES = 300


def test_hostile_configs_are_accepted_or_refused_by_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # What an accepted config would train is looked at in test_trial.py.
    monkeypatch.setattr("modeldiff.planning.dry_run.run", lambda study: iter(()))
    counts, wrong = Counter(), []
    for case in hostile.cases(seed=0, n=CASES):
        how, said = hostile.judge(case)
        counts[how] += 1
        if how not in ("accepted", "refused"):
            wrong.append((case.attack, case.where, how, said[:300]))
    with capsys.disabled():
        print(f" {dict(counts)}", end="")
    assert not wrong
    assert counts["accepted"] >= CASES / 20  # so that the check is no wall
    assert counts["refused"] >= CASES / 4  # and no open door
