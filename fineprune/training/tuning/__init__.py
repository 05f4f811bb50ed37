"""One file a way of fine-tuning: what `conf/finetune` chooses."""
