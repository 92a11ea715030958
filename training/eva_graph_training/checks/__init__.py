"""What guards a training run: batches are verified, and a run that does not see its images stops.

Put the mixin before TRL's trainer; it wraps the trainer's collator and its `compute_loss`:

    class CheckedSft(SightCheck, SFTTrainer): ...            # eva_graph_training.checks.sight
    class CheckedKto(SightCheck, KTOTrainer): ...
    class CheckedGrpo(RolloutSightCheck, GRPOTrainer): ...   # eva_graph_training.checks.rollouts

    CheckedSft(checks=CheckSettings(), model=..., args=..., train_dataset=..., processing_class=...)

`CheckSettings` (eva_graph_training.recipe.settings) says how much is checked; beside the trainers'
own arguments it is the only one. Counts of images, tokens and learned turns are checked always;
every pixel and every learned word in the first batches and in a share of the later ones.

Before a KTO run: `require_mixed` and `balanced_weights` (`checks.kto`). Before any run: the length
of its rows, `row_tokens` (`checks.lengths`). Every fault is one line, a `BatchFault` or a
`BlindRun`, both `TrainingError`s.
"""
