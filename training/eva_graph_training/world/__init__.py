"""The synthetic world: seeded video files that show letters on a sign, with questions on them."""
