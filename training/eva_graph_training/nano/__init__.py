"""nano, the embedded policy: a small Qwen2.5-VL trained from scratch on the synthetic world."""
