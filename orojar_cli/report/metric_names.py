"""What the metrics are called on the page, in which groups, and what each tells in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orojar_cli.measures import Measurement

# Groups of the summary, in its order: metric -> (title, what it tells).  A metric that is not here is shown last, under its own name.
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Known factors": {
        "disentanglement": ("Disentanglement", "each dimension changes one factor"),
        "completeness": ("Completeness", "each factor is changed by one dimension"),
        "best_purity": ("Best purity", "largest share of a factor in one dimension, mean over factors"),
        "mig": ("Mutual information gap", "MIG, of the latent coordinates, 20 bins of equal counts"),
        "mig_equal_width": ("MIG, equal widths", "the same in 20 bins of equal width, as its authors take it"),
        "modularity": ("Modularity", "each coordinate tells of one factor"),
        "sap": ("SAP", "how much better the best coordinate predicts a factor than the second"),
        "factor_vae": ("FactorVAE score", "the coordinate that varies least names the factor that was held"),
        "dci_disentanglement": ("DCI disentanglement", "each coordinate is important for one factor, in linear models"),
        "dci_completeness": ("DCI completeness", "each factor needs one coordinate, in linear models"),
        "dci_informativeness": ("DCI informativeness", "R² of the linear models, held out"),
    },
    "Predictability": {
        "vp": ("VP, last epoch", "held-out pairs whose dimension a network names"),
        "vp_best": ("VP, best epoch", "chosen on the held-out pairs, as the papers do"),
    },
    "Orthogonality": {
        "orojar_loss": ("OroJaR loss, normalised", "off-diagonal energy of the Gram matrices over E (tr M)²"),
        "off_diagonal_share": ("Off-diagonal share", "the same, latent by latent"),
        "mean_cosine": ("Mean |cosine|", "of the image changes of two dimensions"),
        "mechanism_contrast": ("Mechanism contrast", "Σ log ‖Jᵢ‖ − ½ log det M, in nats"),
        "orojar_loss_raw": ("OroJaR loss, raw", "the paper’s scale: 2 Σ Mᵢⱼ² over pixels"),
    },
    "Second derivatives": {
        "hessian_penalty_normalised": ("Hessian Penalty, normalised", "over the mean squared gradient"),
        "hessian_penalty": ("Hessian Penalty, raw", "the authors’ estimator, all dimensions at once; mean over pixels"),
    },
    "How much happens": {
        "activeness": ("Activeness", "variance of the pixels (−1 to 1), mean over dimensions, at ±2 sigmas instead of calibrated steps"),
        "direction_length": ("Path length along directions", "squared perceptual speed per calibrated step"),
    },
}
_TITLES = {metric: text for group in GROUPS.values() for metric, text in group.items()}
BETTER = {"lower": "lower is better", "higher": "higher is better", None: "neither way is better"}


def title_of(metric: str) -> str:
    """A metric's name on the page."""
    return _TITLES[metric][0] if metric in _TITLES else metric.replace("_", " ").capitalize()


def about(metric: str) -> str:
    """What a metric tells, in a few words; nothing for one that is not known here."""
    return _TITLES.get(metric, ("", ""))[1]


def hint_of(measurement: Measurement) -> str:
    """What a metric tells, and which way is better."""
    return "; ".join(part for part in (about(measurement.metric), BETTER[measurement.better]) if part)


def grouped(measured: Mapping[str, Sequence[Measurement]]) -> list[tuple[str, list[Sequence[Measurement]]]]:
    """The measurements under the headings of the summary."""
    listed = [(heading, list(metrics)) for heading, metrics in GROUPS.items()]
    listed.append(("Others", [metric for metric in measured if metric not in _TITLES]))
    groups = [(heading, [measured[metric] for metric in metrics if metric in measured]) for heading, metrics in listed]
    return [(heading, group) for heading, group in groups if group]
