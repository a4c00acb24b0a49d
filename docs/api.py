"The public names of the package, and the page that describes them; read from the source, nothing is imported."
import ast
import io
import re
import tokenize
from itertools import groupby
from pathlib import Path
from typing import NamedTuple


class Name(NamedTuple):
    "One public name of the package."
    module: str  # dotted, without the package
    name: str
    node: ast.stmt  # what defines it
    notes: dict  # {line number: comment} of its module
    chapter: str  # stem of the notebook
    cell: str  # id of the exported cell


def public(top: ast.Module) -> list:
    "What `__all__` says."
    return next((ast.literal_eval(n.value) for n in top.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])


def bound(node: ast.stmt) -> list:
    "Names that one statement binds."
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]


def names_of(path: Path, lib: Path) -> list:
    "Public names of one module in the order in which they are made; one that nothing defines is an error."
    text = path.read_text(encoding="utf-8")
    top, module = ast.parse(text), ".".join(path.relative_to(lib).with_suffix("").parts)
    notes = {t.start[0]: t.string.lstrip("# ") for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT}
    cells = [(i, *m.groups()) for i, line in enumerate(text.splitlines(), 1) if (m := re.match(r"# %% \S*?([^/\s]+)\.ipynb #(\w+)", line))]
    found, wanted = [], set(public(top))
    for node in top.body:
        for name in wanted & set(bound(node)):
            made = [c for c in cells if c[0] < node.lineno]
            if made: found.append(Name(module, name, node, notes, *made[-1][1:]))
    if lost := wanted - {n.name for n in found}: raise ValueError(f"{path.name}: need a definition of every name in __all__; got none of {', '.join(sorted(lost))}; run make export")
    return found


def anchor(chapter: str, cell: str) -> str:
    "Where on the site a cell stands."
    return f"cell-{chapter[:2]}-{cell}"


def plain(text: str) -> str:
    "A comment as Markdown: what is not in backticks is no markup."
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([\\*_$<>\[\]{}|~])", r"\\\1", p) for p in parts[::2]]
    return "".join(parts)


def help_text(node, helps: dict) -> str:
    "What an option of a command says about itself, directly or by the name of its annotation."
    if isinstance(node, ast.Name): return helps.get(node.id, "")
    found = [k.value.value for n in ast.walk(node) if isinstance(n, ast.Call) for k in n.keywords if k.arg == "help"] if node else []
    return found[0] if found else ""


def about_parameters(fn: ast.FunctionDef, notes: dict, helps: dict) -> list:
    "`:param name: comment` for each parameter that has one."
    a = fn.args
    both = [p for p in [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg] if p and p.arg not in ("self", "cls")]
    ends = {d.lineno: d.end_lineno for d in [*a.defaults, *a.kw_defaults] if d}  # a comment stands behind the default
    told = [(p.arg, help_text(p.annotation, helps) or notes.get(ends.get(p.end_lineno, p.end_lineno), "")) for p in both]
    return [f":param {arg}: {plain(t)}" for arg, t in told if t]


def signature(fn: ast.FunctionDef, drop_self=False) -> str:
    "Parameters and result as written, options of commands by their type alone."
    args = ast.parse(ast.unparse(fn)).body[0].args
    if drop_self: args.args = args.args[1:]
    for p in [*args.args, *args.kwonlyargs]:
        if isinstance(p.annotation, ast.Subscript) and getattr(p.annotation.value, "id", "") == "Annotated": p.annotation = p.annotation.slice.elts[0]
    return f"({ast.unparse(args)})" + (f" -> {ast.unparse(fn.returns)}" if fn.returns else "")


def directive(kind: str, head: str, lines: list, ticks=4) -> str:
    "One entry of the page."
    return "\n".join(["`" * ticks + f"{{py:{kind}}} {head}", "", *lines, "`" * ticks, ""])


def about_function(kind: str, head: str, fn: ast.FunctionDef, n: Name, helps: dict, after="", ticks=4) -> str:
    "A function or method: signature, docstring, parameters, result."
    fields = about_parameters(fn, n.notes, helps)
    if fn.returns and (told := n.notes.get(fn.returns.end_lineno)): fields.append(f":returns: {plain(told)}")
    static = any(getattr(d, "id", "") == "staticmethod" for d in fn.decorator_list)
    text = [plain(ast.get_docstring(fn) or "") + after, "", *fields]
    return directive(kind, head + signature(fn, kind == "method" and not static), text, ticks)


def about_class(n: Name, helps: dict, after: str) -> str:
    "A class: how it is made, its fields, its public methods."
    fields = [f for f in n.node.body if isinstance(f, ast.AnnAssign)]
    methods = [f for f in n.node.body if isinstance(f, ast.FunctionDef)]
    first = next((m for m in methods if m.name == "__init__"), None)
    made = signature(first, True) if first else "(" + ", ".join(ast.unparse(f) for f in fields) + ")" if fields else ""
    told = about_parameters(first, n.notes, helps) if first else []
    told += [f":param {f.target.id}: {plain(n.notes.get(f.end_lineno, ''))}" for f in fields if not first]
    inner = [about_function("method", m.name, m, n, helps, ticks=3) for m in methods if not m.name.startswith("_")]
    return directive("class", n.name + made.split(" -> ")[0], [plain(ast.get_docstring(n.node) or "") + after, "", *told, "", *inner])


def about(n: Name, titles: dict, helps: dict) -> str:
    "The entry of one name."
    after = f" Made in [{titles[n.chapter]}](#{anchor(n.chapter, n.cell)})."
    if isinstance(n.node, ast.ClassDef): return about_class(n, helps, after)
    if isinstance(n.node, (ast.FunctionDef, ast.AsyncFunctionDef)): return about_function("function", n.name, n.node, n, helps, after)
    value = " ".join(ast.unparse(n.node.value).split()) if n.node.value else ""
    note = n.notes.get(n.node.end_lineno, "")
    told = (plain(note[:1].upper() + note[1:]) + "." if note else "") + after
    return directive("data", n.name, [told.strip(), "", f":value: `` {value[:157] + '...' if len(value) > 160 else value} ``"])


def page(found: list, lib: str, titles: dict, top: dict) -> str:
    "The page: a section a module, in the order of the book; `top` are names of the package itself: {name: module}."
    helps = {t.id: help_text(n.node.value, {}) for n in found if isinstance(n.node, ast.Assign) for t in n.node.targets if isinstance(t, ast.Name)}
    lines = ["# API", "", f"Every public name of `{lib}`, module by module in the order of the book. Each says where it is made: there it is explained, shown and tested.", ""]
    lines += [f"- `{lib}.{name}` is {{py:obj}}`{lib}.{module}.{name}`" for name, module in top.items()]
    for module, group in groupby(found, lambda n: n.module):
        lines += ["", f"## {module}", "", f"```{{py:currentmodule}} {lib}.{module}", "```", "", *[about(n, titles, helps) for n in group]]
    return "\n".join(lines)
