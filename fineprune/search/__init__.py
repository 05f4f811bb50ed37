"""The search for a method's hyper-parameters: Optuna proposes, sweeps answer."""
