"""What a part of the user's own is made of: its definition, and all of the user's code it uses.

A module is the user's own if its file lies neither in Python's library, nor in a folder called
site-packages or dist-packages, nor in modeldiff. Of these modules counts what runs when they are
imported and each definition that a name in counted code may refer to. Compared are syntax trees
without docstrings, so that comments and layout do not count. A part that lies in an installed
package counts by that package's version; packages that the user's code imports do not count.

Modules are found and parsed, not run. What is not seen: modules whose names are computed at run
time, and what is read from other files.
"""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path

from modeldiff.study import components

INSTALLED = {"site-packages", "dist-packages"}
PYTHON = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")]
OURS = Path(__file__).resolve().parents[1]
# With one of these a module can reach its definitions by names that no reader can foresee.
DYNAMIC = {"globals", "locals", "vars", "eval", "exec", "sys.modules"}
IMPORTERS = {"__import__", "import_module", "importlib.import_module"}
ALL = "*"
MAIN = "__name__ == '__main__'"


def fingerprints(parts: Iterable[str]) -> dict[str, str]:
    """What the parts, import paths `package.module:function`, are made of.

    For each module of the user's own a hash of the code that counts; for each installed package
    that a part lies in its version.
    """
    walk = _Walk()
    found: dict[str, str] = {}
    for part in parts:
        module, _, name = part.partition(":")
        if walk.is_own(module):
            walk.use(module, name)
        else:
            found |= _installed(module)
    return found | walk.fingerprints()


def _installed(module: str) -> dict[str, str]:
    """The version of what provides a module that is not the user's: Python, or distributions."""
    top = module.partition(".")[0]
    names = packages_distributions().get(top, ())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {name: version(name) for name in names} or {"python": python}


class _Walk:
    """Collects, from the parts on, the code that counts."""

    def __init__(self) -> None:
        components.search_current_folder()
        self._modules: dict[str, _Module | None] = {}
        self._todo: list[tuple[_Module, str]] = []

    def is_own(self, name: str) -> bool:
        """Whether there is such a module and it is the user's own."""
        return self._module(name) is not None

    def use(self, module: str, name: str) -> None:
        """Count what a name of a module refers to; `ALL`: the whole module."""
        self._ask(module, name)
        while self._todo:
            self._count(*self._todo.pop())

    def fingerprints(self) -> dict[str, str]:
        """A hash of what counts, for each module."""
        own = (module for module in self._modules.values() if module is not None)
        return {module.name: module.fingerprint() for module in own if module.counts}

    def _ask(self, module: str, name: str) -> None:
        found = self._module(module)
        if found is not None:
            self._todo.append((found, name))

    def _module(self, name: str) -> "_Module | None":
        """The user's module of that name; None if there is none.

        What runs when it is imported counts from now on, in it, its package and what it imports.
        """
        package = name.rpartition(".")[0]
        parent = self._module(package) if package else None
        if name in self._modules:
            return self._modules[name]
        spec = _spec(name, parent) if parent is not None or not package else None
        found = _Module(name, spec) if spec is not None and _is_own(spec) else None
        self._modules[name] = found
        if found is not None:
            for statement in found.statements:
                for source, imported in found.imports(statement):
                    self._module(source)
                    self._module(f"{source}.{imported}")
            for statement in found.running:
                self._follow(found, statement)
        return found

    def _count(self, module: "_Module", name: str) -> None:
        whole = name == ALL
        for statement in module.statements if whole else module.definitions.get(name, []):
            if statement not in module.counted:
                self._follow(module, statement)

    def _follow(self, module: "_Module", statement: ast.stmt) -> None:
        """Count a statement and ask for all that it refers to."""
        module.counted.add(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in module.definitions:
                self._todo.append((module, node.id))
            for source, name in module.imports(node):
                self._ask(source, name)
                self._ask(f"{source}.{name}", ALL)  # `from package import module`


class _Module:
    """A module of the user's own, its statements, and which of them count.

    running: statements that count as soon as the module is imported, since they may do anything.
    definitions: by name, statements that only bind it, and count where the name is used.
    """

    def __init__(self, name: str, spec: ModuleSpec):
        self.name, self.is_package = name, spec.submodule_search_locations is not None
        self.folders = list(spec.submodule_search_locations or ())
        self.content = Path(spec.origin).read_bytes() if spec.has_location and spec.origin else b""
        self.statements: list[ast.stmt] = []
        self.running: list[ast.stmt] = []
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.counted: set[ast.stmt] = set()
        self.parsed = spec.origin is not None and spec.origin.endswith(".py")
        if self.parsed:
            self._parse()

    def _parse(self) -> None:
        try:
            tree = ast.parse(self.content)
        except (SyntaxError, ValueError):  # then it cannot be imported either
            self.parsed = False
            return
        dynamic = bool((DYNAMIC | IMPORTERS) & set(_names(tree)))
        for node in ast.walk(tree):
            _drop_docstring(node)
        for statement in _one_name_each(tree.body):
            self.statements.append(statement)
            bound = None if dynamic else _bound(statement)
            if bound is None:
                self.running.append(statement)
            else:
                self.definitions.setdefault(bound, []).append(statement)

    def imports(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """The modules that a statement or call imports, and the name taken from each or `ALL`."""
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    for name in _with_packages(alias.name):
                        yield name, ALL
            case ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield self._source(node), alias.name
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if set(_names(function)) & IMPORTERS:
                    yield name, ALL

    def _source(self, node: ast.ImportFrom) -> str:
        """The full name of the module that names are imported from."""
        if not node.level:
            return node.module or ""
        base = self.name.split(".")
        base = base[: len(base) - node.level + self.is_package]
        return ".".join([*base, node.module] if node.module else base)

    @property
    def counts(self) -> bool:
        """Whether anything of it does."""
        return bool(self.counted or (self.content and not self.parsed))

    def fingerprint(self) -> str:
        """A hash of what counts; of all its bytes if it is no Python source."""
        content = self.content
        if self.parsed:
            content = repr([_plain(s) for s in self.statements if s in self.counted]).encode()
        return sha256(content).hexdigest()[:16]


def _spec(name: str, parent: _Module | None) -> ModuleSpec | None:
    """Where a module lies, found without running any: `find_spec` alone would run its packages."""
    if parent is not None:
        return PathFinder.find_spec(name, parent.folders)
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # e.g. __main__ has none
        return None


def _is_own(spec: ModuleSpec) -> bool:
    """Whether a module is the user's own."""
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    if not places or places[0] is None:
        return False  # built into Python
    path = Path(places[0]).resolve()
    if INSTALLED & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in (*PYTHON, OURS))


def _with_packages(name: str) -> Iterator[str]:
    """`a.b.c`: a, a.b and a.b.c, all of which `import a.b.c` gives access to."""
    parts = name.split(".")
    for i in range(len(parts)):
        yield ".".join(parts[: i + 1])


def _names(tree: ast.AST) -> Iterator[str]:
    """All names in a tree; of `a.b` also the whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def _one_name_each(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What an import runs, in order; an import of several names as one of each."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == MAIN:
            yield from statement.orelse
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                yield ast.Import([alias])
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                yield ast.ImportFrom(statement.module, [alias], statement.level)
        else:
            yield statement


def _bound(statement: ast.stmt) -> str | None:
    """The name that a statement binds, if it can do nothing else than that.

    Such are functions without decorators, imports of a name and constants. A class may register
    itself with its base.
    """
    name: str | None = None
    match statement:
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            name = statement.name
        case ast.Import(names=[alias]) if alias.asname or "." not in alias.name:
            name = alias.asname or alias.name
        case ast.ImportFrom(names=[alias]) if alias.name != ALL:
            name = alias.asname or alias.name
        case ast.Assign(targets=[ast.Name(id=target)]) if _is_constant(statement.value):
            name = target
    is_hook = name is not None and name.startswith("__")  # such as a module's __getattr__
    return None if is_hook else name


def _is_constant(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def _drop_docstring(node: ast.AST) -> None:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        del node.body[0]


def _plain(node: object) -> object:
    """A syntax tree as tuples and text; what is empty is left out, as it varies with Python's
    version, as `ast.unparse` and `ast.dump` do.
    """
    if isinstance(node, ast.AST):
        fields = [(k, _plain(v)) for k, v in ast.iter_fields(node) if v is not None and v != []]
        return (type(node).__name__, *fields)
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return repr(node)
