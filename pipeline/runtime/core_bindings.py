"""Shortens Python's side of Jittor's core, the largest of its sources, before it is compiled.

Each function that Jittor generates there builds the message of a wrong call with streams of its own, in
several places. Here functions that are compiled once build them, with the same text.
"""

import re
from pathlib import Path

# What follows the includes, in the first of joined sources. What a failed check calls is kept apart from the
# rest, and compiled for size.
_ONCE = r"""
#ifndef EXPECT
#define EXPECT(condition, text) \
    if (PREDICT_BRANCH_NOT_TAKEN(!(condition))) Refusal(__FILELINE__).say("Check failed: " text " ")
#define OUT_OF_THE_WAY __attribute__((noinline, cold, unused))
#define ONCE __attribute__((noinline))
namespace jittor { namespace {
template <class T> ONCE bool is_a(PyObject* object) { return is_type<T>(object); }
template <class T> ONCE decltype(auto) from_python(PyObject* object) { return from_py_object<T>(object); }
template <class T, class Holder> ONCE decltype(auto) from_python(PyObject* object, Holder& holder) {
    return from_py_object<T>(object, holder);
}
template <class T, class Value> ONCE PyObject* to_python(Value&& value) {
    return to_py_object<T>(std::forward<Value>(value));
}
struct Refusal {
    const char* at;
    explicit Refusal(const char* at) : at(at) {}
    [[noreturn]] OUT_OF_THE_WAY void say(const char* text) const {
        LogFatalVoidify() && Log(at, 'f', 0) << text;
        __builtin_unreachable();
    }
    [[noreturn]] OUT_OF_THE_WAY void say(const char* text, const char* more) const {
        LogFatalVoidify() && Log(at, 'f', 0) << text << more;
        __builtin_unreachable();
    }
};
struct WrongCall {
    const std::exception& error;
    const char* declarations;
    std::stringstream said;
    bool in_executor;
    OUT_OF_THE_WAY WrongCall(const std::exception& error, const char* declarations)
        : error(error), declarations(declarations), in_executor(check_async_executor_error(error, said)) {}
    OUT_OF_THE_WAY ~WrongCall() {
        const std::string text = said.str();
        const char* format = in_executor ? "%s" : "%s\n%s\nFailed reason:%s";
        PyErr_Format(PyExc_RuntimeError, format, text.c_str(), declarations, error.what());
    }
    OUT_OF_THE_WAY WrongCall& operator<<(const char* text) { return add(text); }
    template <class T> OUT_OF_THE_WAY WrongCall& operator<<(const T& argument) { return add(argument); }
    template <class T> WrongCall& add(const T& argument) {
        if (!in_executor)
            said << argument;
        return *this;
    }
};
} }
#endif
"""
_REPORT = re.compile(
    r"std::stringstream ss;\s*if \(check_async_executor_error\(e, ss\)\) \{\s*"
    r'PyErr_Format\(PyExc_RuntimeError,\s*"%s",\s*ss\.str\(\)\.c_str\(\)\s*\);\s*\} else \{\s*'
    r"ss\s*(?P<said><<[^;]*);\s*"
    r'PyErr_Format\(PyExc_RuntimeError,\s*"%s\\n%s\\nFailed reason:%s",\s*ss\.str\(\)\.c_str\(\),\s*'
    r'(?P<declarations>R""\(.*?\)""),\s*e\.what\(\)\s*\);\s*\}',
    re.DOTALL,
)
_NO_CALL = 'LOGf << "Not a valid call.";'
_NO_KEYWORD = 'LOGf << "Not a valid keyword:" << ks;'
_CHECK = re.compile(r'^(\s*)CHECK\(([^"\n]*)\);$', re.MULTILINE)
_TEXT_OR_CONVERSION = re.compile(
    r'(?P<text>R""\(.*?\)""|"[^"\n]*")|\b(?P<name>is_type|from_py_object|to_py_object)<', re.DOTALL
)
_ONCE_NAMES = {"is_type": "is_a", "from_py_object": "from_python", "to_py_object": "to_python"}
_FIRST = "namespace jittor {"  # after the includes


def shortened(text: str, path: Path) -> str:
    """The text of a generated source with messages that are built once; unchanged where it makes none.

    Args:
        text: of the source.
        path: of the source, which messages name with the line.
    """
    if not _REPORT.search(text):
        return text
    head, first, body = text.partition(_FIRST)

    def report(found: re.Match[str]) -> str:
        call = f"WrongCall(e, {found['declarations']}) {found['said']};"
        return call + "\n" * (found[0].count("\n") - call.count("\n"))

    def convert(found: re.Match[str]) -> str:
        return found["text"] or f"{_ONCE_NAMES[found['name']]}<"

    body = _CHECK.sub(r'\1EXPECT((\2), "\2");', _REPORT.sub(report, body))
    body = _TEXT_OR_CONVERSION.sub(convert, body)
    body = body.replace(_NO_CALL, 'Refusal(__FILELINE__).say("Not a valid call.");')
    body = body.replace(_NO_KEYWORD, 'Refusal(__FILELINE__).say("Not a valid keyword:", ks);')
    newline = "\n"
    return f'#line 1 "{path}"\n{head}\n{_ONCE}#line {head.count(newline) + 1} "{path}"\n{first}{body}'
