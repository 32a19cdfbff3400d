"""A disassembled kernel as data: instructions with their guards, modifiers and operands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LINE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+\{?\s*(?:@(!?)(U?)P(\d|T)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;\s*\}?(.*)$")
LABEL = re.compile(r"^([.$\w]+):$")
REGISTER = re.compile(r"^([-~!]?)(\|?)(UR|R|UP|P|B)(\d+|Z|T)((?:\.\w+)*)\|?((?:\.reuse)?)$")
CONSTANT = re.compile(r"^([-~]?)(\|?)c\[0x([0-9a-f]+)\]\[(.*)\]\|?$")
MEMORY = re.compile(r"^(?:desc\[UR\d+\])?\[(.*)\]$")
NUMBER = re.compile(r"^[-+]?(?:0x[0-9a-f]+|\d[\d.]*(?:e[-+]?\d+)?|INF|QNAN)$")
FILES = {"R": "register", "UR": "uniform", "P": "predicate", "UP": "uniform predicate", "B": "barrier"}
LAST = {"R": 255, "UR": 63, "P": 7, "UP": 7}  # the register that reads as zero, the predicate that reads as true


@dataclass(frozen=True)
class Operand:
    """One operand as it is written."""

    kind: str  # a value of FILES, or "constant", "memory", "number", "name"
    index: int = 0  # of a register, or the bank of a constant
    sign: str = ""  # "-", "~" or "!"
    absolute: bool = False
    parts: tuple["Operand", ...] = ()  # of an address: what is added up
    text: str = ""  # of a number or name, and what follows a register's name, as ".64"

    @property
    def is_predicate(self) -> bool:
        """Whether it is true or false."""
        return self.kind in ("predicate", "uniform predicate")


@dataclass(frozen=True)
class Instruction:
    """One instruction. ``opcode`` is its first word, ``modifiers`` those behind the points."""

    address: int
    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[Operand, ...]
    guard: Operand | None = None  # it acts for the lanes where this predicate holds
    spill: bool = False  # it moves a register to the stack or back, as the compiler marked it
    text: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Opcode and modifiers as written."""
        return ".".join((self.opcode, *self.modifiers))

    @property
    def is_double(self) -> bool:
        """Whether it reckons in double precision or converts to or from it."""
        return self.opcode in ("DADD", "DMUL", "DFMA", "DSETP", "DMNMX", "MUFU64") or "F64" in self.modifiers


@dataclass(frozen=True)
class Listing:
    """A kernel's instructions in order, 16 bytes each, and where each label points."""

    instructions: tuple[Instruction, ...]
    labels: dict[str, int]


def parsed(text: str) -> Listing:
    """The listing that ``nvdisasm -c`` prints for one kernel.

    Raises:
        ValueError: it holds no instruction, or an operand that is not understood.
    """
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    for line in text.splitlines():
        if found := LABEL.match(line.strip()):
            waiting.append(found[1])
        elif found := LINE.match(line):
            address = int(found[1], 16)
            labels |= dict.fromkeys(waiting, address)
            waiting.clear()
            instructions.append(_instruction(address, found))
    if not instructions:
        raise ValueError("the disassembler printed no instruction")
    return Listing(tuple(instructions), labels)


def _instruction(address: int, found: re.Match[str]) -> Instruction:
    _, negated, uniform, number, name, operands, comment = found.groups()
    guard = None
    if number is not None:
        guard = Operand(FILES[uniform + "P"], LAST["P"] if number == "T" else int(number), "!" if negated else "")
    opcode, *modifiers = name.split(".")
    return Instruction(
        address,
        opcode,
        tuple(modifiers),
        tuple(operand(part) for part in _split(re.sub(r'\(\*".*?"\*\)', "", operands))),
        guard,
        "SpillRefill" in operands + comment,
        f"{name} {operands}",
    )


def _split(text: str) -> Iterator[str]:
    """Operands lie between commas, those of a jump through a table between spaces."""
    for part in text.split(","):
        yield from part.split()


def operand(text: str) -> Operand:
    """One operand. Raises ValueError for one that is not understood."""
    if found := REGISTER.match(text):
        sign, bar, file, number, suffix, _ = found.groups()
        index = LAST[file] if number in "ZT" else int(number)
        return Operand(FILES[file], index, sign, bool(bar), text=suffix.replace(".reuse", ""))
    if found := CONSTANT.match(text):
        sign, bar, bank, inside = found.groups()
        return Operand("constant", int(bank, 16), sign, bool(bar), _sum(inside))
    if found := MEMORY.match(text):
        return Operand("memory", parts=_sum(found[1]))
    if NUMBER.match(text):
        return Operand("number", text=text)
    return Operand("name", text=text.removeprefix("`(").removesuffix(")"))


def _sum(inside: str) -> tuple[Operand, ...]:
    return tuple(operand(part) for part in inside.split("+") if part)
