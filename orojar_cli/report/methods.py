"""How a comparison was made, as a paragraph for a paper, with its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orojar_cli.report.calibration import LEAST_ACTIVE, LIMIT
from orojar_cli.report.collect import Comparison
from orojar_cli.report.contender import TUNED, Z_AXES
from orojar_cli.report.numbers import number


@dataclass(frozen=True)
class Reference:
    """A publication, as BibTeX has it."""

    key: str
    authors: str
    title: str
    venue: str
    year: int
    kind: str = "inproceedings"

    def text(self) -> str:
        """One line of a list of references."""
        names = (" ".join(reversed(name.split(", "))) for name in self.authors.split(" and "))
        return f"{', '.join(names)}. {self.title}. {self.venue}, {self.year}."

    def bibtex(self) -> str:
        """An entry."""
        where = "journal" if self.kind == "article" else "booktitle"
        return (
            f"@{self.kind}{{{self.key},\n  author = {{{self.authors}}},\n  title = {{{{{self.title}}}}},\n"
            f"  {where} = {{{self.venue}}},\n  year = {{{self.year}}}\n}}\n"
        )


_REFERENCES = {
    reference.key: reference
    for reference in (
        Reference(
            "wei2021orojar",
            "Wei, Yuxiang and Shi, Yupeng and Liu, Xiao and Ji, Zhilong and Gao, Yuan and Wu, Zhongqin and Zuo, Wangmeng",
            "Orthogonal Jacobian Regularization for Unsupervised Disentanglement in Image Generation",
            "ICCV",
            2021,
        ),
        Reference("shen2021sefa", "Shen, Yujun and Zhou, Bolei", "Closed-Form Factorization of Latent Semantics in GANs", "CVPR", 2021),
        Reference(
            "haerkoenen2020ganspace",
            "Härkönen, Erik and Hertzmann, Aaron and Lehtinen, Jaakko and Paris, Sylvain",
            "GANSpace: Discovering Interpretable GAN Controls",
            "NeurIPS",
            2020,
        ),
        Reference(
            "peebles2020hessian",
            "Peebles, William and Peebles, John and Zhu, Jun-Yan and Efros, Alexei and Torralba, Antonio",
            "The Hessian Penalty: A Weak Prior for Unsupervised Disentanglement",
            "ECCV",
            2020,
        ),
        Reference(
            "gresele2021ima",
            "Gresele, Luigi and von Kügelgen, Julius and Stimper, Vincent and Schölkopf, Bernhard and Besserve, Michel",
            "Independent Mechanism Analysis, a New Concept?",
            "NeurIPS",
            2021,
        ),
        Reference(
            "zhu2020vp",
            "Zhu, Xinqi and Xu, Chang and Tao, Dacheng",
            "Learning Disentangled Representations with Latent Variation Predictability",
            "ECCV",
            2020,
        ),
        Reference(
            "karras2019style",
            "Karras, Tero and Laine, Samuli and Aila, Timo",
            "A Style-Based Generator Architecture for Generative Adversarial Networks",
            "CVPR",
            2019,
        ),
        Reference(
            "eastwood2018dci",
            "Eastwood, Cian and Williams, Christopher K. I.",
            "A Framework for the Quantitative Evaluation of Disentangled Representations",
            "ICLR",
            2018,
        ),
        Reference(
            "chen2018mig",
            "Chen, Ricky T. Q. and Li, Xuechen and Grosse, Roger and Duvenaud, David",
            "Isolating Sources of Disentanglement in Variational Autoencoders",
            "NeurIPS",
            2018,
        ),
        Reference(
            "ridgeway2018modularity",
            "Ridgeway, Karl and Mozer, Michael C.",
            "Learning Deep Disentangled Embeddings With the F-Statistic Loss",
            "NeurIPS",
            2018,
        ),
        Reference(
            "kumar2018sap",
            "Kumar, Abhishek and Sattigeri, Prasanna and Balakrishnan, Avinash",
            "Variational Inference of Disentangled Latent Concepts from Unlabeled Observations",
            "ICLR",
            2018,
        ),
        Reference("kim2018factorvae", "Kim, Hyunjik and Mnih, Andriy", "Disentangling by Factorising", "ICML", 2018),
        Reference(
            "tukey1958",
            "Tukey, John W.",
            "Bias and Confidence in Not-Quite Large Samples",
            "Annals of Mathematical Statistics",
            1958,
            "article",
        ),
        Reference(
            "welch1947",
            "Welch, B. L.",
            "The Generalization of `Student's' Problem when Several Different Population Variances are Involved",
            "Biometrika",
            1947,
            "article",
        ),
        Reference(
            "satterthwaite1946",
            "Satterthwaite, F. E.",
            "An Approximate Distribution of Estimates of Variance Components",
            "Biometrics Bulletin",
            1946,
            "article",
        ),
        Reference(
            "berger1982", "Berger, Roger L.", "Multiparameter Hypothesis Testing and Acceptance Sampling", "Technometrics", 1982, "article"
        ),
    )
}
_METHODS = {
    "orojar": ("OroJaR in closed form (the joint diagonaliser of Gram matrices)", "wei2021orojar"),
    "orojar-sgd": ("OroJaR's stochastic optimisation", "wei2021orojar"),
    "sefa": ("SeFa", "shen2021sefa"),
    "ganspace": ("GANSpace", "haerkoenen2020ganspace"),
    "hessian": ("the Hessian Penalty", "peebles2020hessian"),
    "jacobian-pca": ("the eigenvectors of the mean Gram matrix", ""),
    "random": ("random directions", ""),
    Z_AXES: ("the axes of z", ""),
} | dict.fromkeys(TUNED, ("the axes of z after fine-tuning with OroJaR", "wei2021orojar"))
_METRICS = {
    "orojar_loss": ("the OroJaR loss over E (tr M)^2", "wei2021orojar"),
    "mean_cosine": ("the mean |cosine| of the image changes of two dimensions", ""),
    "mechanism_contrast": ("the independent-mechanism contrast", "gresele2021ima"),
    "hessian_penalty": ("the Hessian Penalty", "peebles2020hessian"),
    "activeness": ("activeness", "wei2021orojar"),
    "vp": ("variation predictability", "zhu2020vp"),
    "direction_length": ("the perceptual path length along directions", "karras2019style"),
    "disentanglement": ("disentanglement and completeness of the responses of the known factors", "eastwood2018dci"),
    "mig": ("the mutual information gap", "chen2018mig"),
    "modularity": ("modularity", "ridgeway2018modularity"),
    "sap": ("separated attribute predictability", "kumar2018sap"),
    "factor_vae": ("the FactorVAE score", "kim2018factorvae"),
    "dci_disentanglement": ("disentanglement, completeness and informativeness of linear models (L1)", "eastwood2018dci"),
}


class _Cited:
    """References in the order they are first named."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, *keys: str) -> str:
        self.keys += [key for key in keys if key and key not in self.keys]
        numbers = ", ".join(str(self.keys.index(key) + 1) for key in keys if key)
        return f" [{numbers}]" if numbers else ""


def methods(comparison: Comparison, options: Mapping[str, Any], versions: Mapping[str, str]) -> tuple[str, list[Reference]]:
    """(the paragraph, its references in the order of their numbers), with the settings that were used."""
    cite = _Cited()
    sentences = [
        _sets(comparison, options, versions, cite),
        f"The step of each direction was scaled until the images changed by {number(comparison.calibrations[0].target)} (root mean square "
        f"over pixels from -1 to 1), up to {LIMIT} standard deviations.",
        _measured(comparison, cite),
        _model(comparison, cite),
    ]
    if comparison.inactive:
        names = _listed(list(comparison.inactive))
        sentences.append(
            f"Sets that move the images less than {LEAST_ACTIVE} times as far as the most active one ({names}) were not eligible."
        )
    return " ".join(sentences), [_REFERENCES[key] for key in cite.keys]


def _sets(comparison: Comparison, options: Mapping[str, Any], versions: Mapping[str, str], cite: _Cited) -> str:
    networks = {subject.checkpoint.sha256: Path(subject.checkpoint.path).name for subject in comparison.subjects}
    named = _listed([f"{name} (SHA-256 {sha256[:12]})" for sha256, name in networks.items()])
    parts = []
    for subject in comparison.subjects:
        text, key = _METHODS.get(subject.directions.method, (subject.directions.method, ""))
        steps = f", {subject.steps} steps" if subject.steps else ""
        parts.append(f"{text}{cite(key)} in {subject.directions.space}{steps}")
    counts = sorted({len(subject.directions) for subject in comparison.subjects})
    count = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    sampled = f" Methods that need samples took {options['samples']}, of seed {options['seed']}." if "samples" in options else ""
    software = ", ".join(f"{name} {versions[name]}" for name in ("orojar", "torch") if name in versions)
    found = f"with {software} " if software else ""
    return f"We compared sets of {count} directions of {named}, found {found}by {_listed(list(dict.fromkeys(parts)))}.{sampled}"


def _measured(comparison: Comparison, cite: _Cited) -> str:
    found = [(metric, measured[0]) for metric, measured in comparison.measurements.items()]
    if not found:
        return "No metric was measured."
    parts = [_METRICS[metric][0] + cite(_METRICS[metric][1]) for metric, _ in found if metric in _METRICS]
    settings = found[0][1].settings
    drawn = f"seed {settings.get('seed', 0)}" + (f", truncation {settings['psi']:g}" if "psi" in settings else "")
    parts = parts or [metric.replace("_", " ") for metric, _ in found]
    return f"At {settings.get('samples', 'the same')} latents that no method had seen ({drawn}) we measured {_listed(parts)}."


def _model(comparison: Comparison, cite: _Cited) -> str:
    drawn = any("without_dimension" in found.details for measured in comparison.measurements.values() for found in measured)
    runs = any("runs" in found.details for measured in comparison.measurements.values() for found in measured)
    parts = ["over latents"]
    parts += (
        [f"of the draw of the directions where a method begins at random (jackknife over dimensions{cite('tukey1958')})"] if drawn else []
    )
    parts += ["over repeated runs of what a metric trains"] if runs else []
    variance = f"the variance {parts[0]}" if len(parts) == 1 else f"the sum of the variances {_listed(parts)}"
    return (
        f"Intervals are 95 % intervals of Student's t with {variance}, degrees of freedom after Welch and Satterthwaite"
        f"{cite('welch1947', 'satterthwaite1946')}; differences were tested at the same latents with the same model, and a set is called "
        f"best where its difference from each of the others is significant at 5 % (intersection-union test{cite('berger1982')})."
    )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
