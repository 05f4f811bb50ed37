"""The main job: prune step by step, measure every step, choose one for each budget."""
