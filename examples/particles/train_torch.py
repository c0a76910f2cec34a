"""Train Deep Sets with a plain loop in PyTorch.

With --checkpoint FILE a run that was killed goes on with the same command, and ends with the same weights.
Usage: python -m examples.particles.train_torch FOLDER [--checkpoint FILE]
"""

from pathlib import Path
from typing import Any

import torch
from mlaas4hep import Dataset
from mlaas4hep.frameworks import to_torch
from torch import nn

from examples.particles.data import COLLECTIONS, HIDDEN, arguments, auc, loader, open_files

Batch = dict[str, torch.Tensor]


class DeepSets(nn.Module):
    """A network for every particle, the mean over those that are there, and a network for the event."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        tensors = dataset.no_events().collections
        self.particle = nn.ModuleDict({name: layers(tensors[name].data.shape[1]) for name in COLLECTIONS})
        self.event = layers(len(dataset.names) + HIDDEN * len(COLLECTIONS))
        self.score = nn.Linear(HIDDEN, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return a logit for each event."""
        sets = [self.mean(name, batch[name], batch[f"{name}_mask"]) for name in COLLECTIONS]
        logits: torch.Tensor = self.score(self.event(torch.cat([batch["data"], *sets], dim=1)))
        return logits.squeeze(1)

    def mean(self, name: str, particles: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the mean over the particles, (events, branches, width), whose mask is False."""
        there = ~mask.unsqueeze(2)
        found: torch.Tensor = self.particle[name](particles.transpose(1, 2)) * there
        return found.sum(dim=1) / there.sum(dim=1).clamp(min=1)


def layers(width: int) -> nn.Sequential:
    """Return two layers for so many inputs."""
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())


def step(model: DeepSets, optimiser: torch.optim.Optimizer, batch: Batch) -> None:
    """Train on a batch, in which every event counts with its weight."""
    optimiser.zero_grad()
    labels = batch["labels"].float()
    nn.functional.binary_cross_entropy_with_logits(model(batch), labels, batch["weights"]).backward()
    optimiser.step()


def save(file: Path, **parts: Any) -> None:
    """Write a checkpoint whole, or leave the older one."""
    new = file.with_name(f"{file.name}.new")
    torch.save(parts, new)
    new.replace(file)


def main() -> None:
    """Train, and tell the AUC of the test part."""
    parser = arguments(__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a file to write, and to go on from if it is there")
    parser.add_argument("--every", type=int, default=10, help="batches between two checkpoints")
    options = parser.parse_args()

    torch.manual_seed(21)
    torch.set_num_threads(1)  # the model is too small for more
    dataset = open_files(options.folder, options.events)
    events, test = to_torch(loader(dataset)), to_torch(loader(dataset, "test"))
    model = DeepSets(dataset)
    optimiser = torch.optim.Adam(model.parameters(), 0.003)
    if options.checkpoint and options.checkpoint.exists():
        kept = torch.load(options.checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        events.load_state_dict(kept["events"])
        print(f"going on in epoch {events.epoch} behind batch {events.batch}")

    for epoch in range(events.epoch, options.epochs):
        events.set_epoch(epoch)
        for number, batch in enumerate(events, events.batch + 1):
            step(model, optimiser, batch)
            if options.checkpoint and (number % options.every == 0 or number == events.batches()):
                state = events.state_dict(number)
                save(options.checkpoint, model=model.state_dict(), optimiser=optimiser.state_dict(), events=state)

    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(batch) for batch in test])
    print(f"AUC of the test part: {auc(dataset, scores.numpy()):.4f}")


if __name__ == "__main__":
    main()
