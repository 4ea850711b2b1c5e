"""What an engine is: the one interface behind which the work of enlarging a picture is done.

Engines import no models and no views: they get an ``Order`` and give back a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from upscaler.errors import PublicError

Report = Callable[[float, str], None]
"""``report(fraction, text)``: fraction from 0 to 1, text in plain words. May raise to stop the work."""


@dataclass(frozen=True)
class Order:
    """One upscale as an engine sees it: plain values, no database."""

    upscale_id: int
    model_name: str
    settings: Mapping[str, Any]
    """Complete: every setting of the model, defaults filled in."""
    source_path: Path
    """The source picture on this machine's disk; a remote engine gets no file, but ``reference``."""
    work_dir: Path
    """An empty folder for this attempt; removed after it."""
    result_format: str | None = None
    """JPEG, PNG or WEBP; None for the source's own, as far as that is one of these."""
    source_facts: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the source: see ``Finished.source_facts``."""
    expected_seconds: float | None = None
    """How long it will take as far as this desk knows its own speed; None where it can't tell."""
    engine_id: str | None = None
    """The engine's own id of the job, once ``start`` has given one."""
    hint_url: str = ""
    """Where a remote engine may say that something happened, so that it is asked at once; empty where it can't."""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """For a remote engine, where it finds the source: ``image_url`` or ``generation_result_id``, one of them."""
    handed_over_at: datetime | None = None
    """Since when a remote engine may have the job."""
    followed_since: datetime | None = None
    """Since when a remote engine's time for the job counts."""
    made: Callable[[], None] = lambda: None
    """To be called when a remote engine has done the job, before its result is fetched."""
    taken: Callable[[Collection[str]], set[str]] = set
    """Which of these engine's ids the desk knows already, as those of any upscale."""
    is_named: Callable[[Mapping[str, Any]], bool] = lambda reference: False
    """Whether another upscale of the desk was handed over with this ``reference``."""


@dataclass(frozen=True)
class Pending:
    """The engine is still at it: ask again after ``retry_after`` seconds."""

    retry_after: float
    progress: float | None = None
    text: str = ""
    """What it waits for, for people."""


@dataclass(frozen=True)
class Step:
    """One step of a job, of which it can be told before how long it will take."""

    name: str
    """The same for all jobs in which the same is done: a network's name, or that of what is done beside."""
    work: float
    """How much is to be done: mostly megapixels of what comes out, with what every job costs counted as some more."""
    usual: float
    """Seconds for a unit of work, guessed from the kind of processor: it holds until the step was measured."""
    once: str = ""
    """Of a step that is done once for several jobs in a row, as compiling is: the same for all of them."""
    part: str = ""
    """What of the picture it is done to, where that is not all of it: it is as quick as elsewhere, only less of it."""

    @property
    def key(self) -> str:
        """By which it is known how much of the step a picture takes."""
        return f"{self.name}, {self.part}" if self.part else self.name


@dataclass(frozen=True)
class Timing:
    """How long one step of a job took."""

    name: str
    work: float
    seconds: float
    once: bool = False
    """Whether the next job in a row may be spared it, as compiling."""


@dataclass(frozen=True)
class Timings:
    """How long the steps of a job took, and on what."""

    precision: str
    threads: int
    steps: Sequence[Timing]
    processor: str = ""
    """As `PlannedEngine.processor`."""


@dataclass(frozen=True)
class Finished:
    """The enlarged picture, as a file inside the order's ``work_dir``."""

    path: Path
    format: str
    """Pillow's name of the format: JPEG, PNG or WEBP."""
    width: int
    height: int
    result_id: int | None = None
    """The engine's own id of the result; None where it has none."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What made it, for the record: networks, precision, seconds; ``notes`` are sentences that the page shows."""
    referable_until: datetime | None = None
    """Until when the engine itself takes ``result_id`` as a source; None where it sets no time of its own."""
    timings: Timings | None = None
    """How long each step took; None from an engine that can't tell."""
    source_facts: Mapping[str, Any] = field(default_factory=dict)
    """What the engine found in the source, as JSON: kept with its row, for the time of the next order of it. The desk
    itself adds ``jpeg_quality``, from 1 to 100, None for what is no JPEG; ``engine`` says which one has looked at it,
    in which version; the rest is the engine's own."""


@dataclass(frozen=True)
class KnownResult:
    """A finished result that a remote engine keeps."""

    result_id: int
    engine_id: str
    """The engine's own id of the job that it came from."""
    url: str
    referable_until: datetime | None
    is_alive: bool
    """Whether it can still be a source."""
    created_at: datetime | None = None


class EngineError(PublicError):
    """An engine could not do the work.

    Of a remote engine: ``unavailable`` says that it does not answer as
    itself, whatever the job; ``retry_after`` are the seconds for which it asks to be left alone (it is busy then, or
    with ``unavailable`` down); after an error of ``start``, ``maybe_taken`` says that it may have the job all the same;
    after one of a later call, ``doubtful`` says that it may never have had the job.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        permanent: bool,
        unavailable: bool = False,
        retry_after: float | None = None,
        maybe_taken: bool = False,
        doubtful: bool = False,
    ) -> None:
        super().__init__(message, code=code, permanent=permanent, retry_after=retry_after)
        self.unavailable = unavailable
        self.maybe_taken = maybe_taken
        self.doubtful = doubtful


@dataclass(frozen=True)
class Limits:
    """How much a remote engine is asked for at a time, and for how long anything is waited for."""

    slots: int
    """How many jobs may be in flight at the same time, over all workers."""
    call_time: timedelta
    """No call of the engine takes longer, however it ends."""
    settle_time: timedelta
    """After the end of a call without an answer: until then its job may still turn up."""
    job_time: timedelta
    """For one job, without the time in which the engine does not answer for it."""
    outage_time: timedelta
    """For how long an upscale waits for an engine that is down or busy."""
    breaker_failures: int
    """So many calls in a row without an answer, and it counts as down."""


@dataclass(frozen=True)
class SamePicture:
    """An engine makes the same picture with another model, which costs less."""

    model_name: str
    settings: Mapping[str, Any]
    """Those of the dearer model with which it is so, whatever its others are."""
    cheaper_model: str


class Engine(Protocol):
    """What every engine offers."""

    name: str
    """As stored with each upscale. The codes of a remote engine's errors begin with it."""

    @property
    def model_names(self) -> Sequence[str]:
        """The upscaling models that it has, in the order in which they are shown; the first is the usual one."""
        ...

    advice: Mapping[str, str]
    """By setting, what people should know about it with this engine, where the page can't follow what they choose."""
    preselected: Mapping[str, Any]
    """By setting, what the page begins with in place of the contract's default, which stays for programs."""
    idle: Mapping[str, Mapping[str, Any]]
    """By setting, the values of others with which it makes no difference here, beside what the contract says."""
    same_pictures: Sequence[SamePicture]
    """Every case in which a model is dearer for nothing."""
    queue: str
    """The queue that ``advance`` belongs on: ``cpu`` for heavy work here, ``io`` for talking to others."""
    setup_hint: str
    """What an operator can do where ``check`` finds something."""

    def check(self) -> None:
        """Raises EngineError where the engine could not work at all: what is missing, and what to do."""
        ...

    def start(self, order: Order) -> str | None:
        """Hand the work over. Returns the engine's own id of the job, None where it has none.

        Raises EngineError.
        """
        ...

    def advance(self, order: Order, report: Report) -> Pending | Finished:
        """Do the work, or ask how it stands.

        Raises EngineError.
        """
        ...


@runtime_checkable
class PlannedEngine(Engine, Protocol):
    """An engine that knows before what a job is made of. Told apart by ``isinstance``."""

    @property
    def processor(self) -> str:
        """What does the work on this machine: speeds that were measured on another say nothing of it."""
        ...

    def steps(
        self,
        model_name: str,
        settings: Mapping[str, Any],
        size: tuple[int, int],
        source_name: str,
        result_format: str,
        *,
        source_facts: Mapping[str, Any] | None = None,
        usual: Any = None,
    ) -> Sequence[Step]:
        """The steps of a job with complete settings, as far as they can be known before it.

        ``size``: the source's width and height in pixels. ``source_name``: its file's name. ``result_format``: JPEG,
        PNG or WEBP; empty for the source's own. ``source_facts``: what is known of the source, see `Finished`; what is
        not counts as ``usual``, from the method of that name.
        """
        ...

    @property
    def usual_rates(self) -> Mapping[str, float]:
        """Of the steps that do most of the work, by name, `Step.usual`: against what was measured, they tell how quick
        this machine is."""
        ...

    def usual(self, source_facts: Iterable[Mapping[str, Any]]) -> Any:
        """What sources mostly are, by those of which these facts were kept."""
        ...

    def look(
        self,
        source: Path,
        model_name: str,
        settings: Mapping[str, Any],
        source_facts: Mapping[str, Any],
        *,
        seconds: float,
    ) -> Mapping[str, Any]:
        """``source_facts`` and what a look at the picture file adds to them, as far as such an order needs it.

        In ``seconds`` at most; after them, or where the picture can't be looked at, they come back as they were.
        """
        ...


@runtime_checkable
class RemoteEngine(Engine, Protocol):
    """An engine on somebody else's machines: it is paid for each job, and it may not answer.

    Told apart by ``isinstance``. Its ``start`` is called at most once for a job, unless ``find_job`` proves that the
    first call never arrived.
    """

    title: str
    """What people call it."""
    address_setting: str
    """The setting that holds ``address``."""

    @property
    def address(self) -> str:
        """The URL that its calls go to, with the key."""
        ...

    @property
    def limits(self) -> Limits:
        """As they are set now."""
        ...

    def start(self, order: Order) -> str:
        """Hand the job over; the engine's id of it. Raises EngineError."""
        ...

    def reach(self) -> None:
        """Ask the host whether it would take our calls. Costs nothing. Raises EngineError."""
        ...

    def find_job(self, order: Order) -> str | None:
        """The id of the job that an earlier ``start`` of this order made, although its answer was lost.

        None where there is none. Raises EngineError, a ``doubtful`` one where it can't be told.
        """
        ...

    def find_result(self, result_id: int) -> KnownResult | None:
        """A result by the engine's own id; None for one that it does not know. Raises EngineError."""
        ...

    def reference_of(self, engine_id: str) -> Mapping[str, Any]:
        """The `Order.reference` that a job was handed over with; empty where it can't be told. Raises EngineError."""
        ...
