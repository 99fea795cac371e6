"""Shortened bindings say what the generated ones say, to the letter; the generated ones are the reference."""

import re
import subprocess
from pathlib import Path

import pytest

from pipeline.runtime.core_bindings import shortened

# What stands for Python and for Jittor's headers; an error is printed.
STAND_INS = r"""
#pragma once
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#define STRINGIZE_DETAIL(x) #x
#define STRINGIZE(x) STRINGIZE_DETAIL(x)
#define __FILELINE__ (__FILE_NAME__ ":" STRINGIZE(__LINE__))
#define PREDICT_BRANCH_NOT_TAKEN(x) (x)
struct PyObject { int number; };
static int PyExc_RuntimeError;
static bool PyErr_Occurred() { return false; }
static void PyErr_Format(int, const char* format, ...) {
    va_list given;
    va_start(given, format);
    vprintf(format, given);
    puts("|");
}
namespace jittor {
struct Log {
    std::ostringstream out;
    Log(const char* at, char level, int) { out << '[' << level << ' ' << at << ']'; }
    template <class T> Log& operator<<(const T& more) { out << ' ' << more; return *this; }
};
struct LogFatalVoidify { void operator&&(Log& log) { throw std::runtime_error(log.out.str()); } };
struct PyArgPrinter { PyObject* object; const char* name; };
inline std::ostream& operator<<(std::ostream& to, const PyArgPrinter& of) {
    return to << of.name << "=" << of.object->number;
}
template <class T> bool is_type(PyObject* object) { return object->number < 100; }
template <class T> T from_py_object(PyObject* object) { return object->number; }
template <class T> T from_py_object(PyObject* object, T& holder) { return holder = object->number; }
template <class T> PyObject* to_py_object(T value) { return new PyObject{value + 1}; }
inline bool check_async_executor_error(const std::exception& error, std::ostream& to) {
    if (!strstr(error.what(), "executor")) return false;
    to << "in the executor: " << error.what();
    return true;
}
}
#define LOGf jittor::LogFatalVoidify() && jittor::Log(__FILELINE__, 'f', 0)
#define CHECK(cond) !(PREDICT_BRANCH_NOT_TAKEN(!(cond))) ? (void) 0 : LOGf << "Check failed: " #cond " "
"""
# As Jittor writes it, for a function that adds one to a number below ten.
GENERATED = r"""
    #include "stand_ins.h"

    namespace jittor {
    PyObject* added(PyObject* self, PyObject** args, long n, const char* ks) {
            try {
                if (n==1) {
                    int arg0;
                    CHECK((is_type<int>(args[0])));
                    arg0 = from_py_object<int>(args[0]);
                    int holder;
                    arg0 = from_py_object<int>(args[0], holder);
                    if (ks) LOGf << "Not a valid keyword:" << ks;
                    if (arg0 == 10) throw std::runtime_error("the executor stopped");
                    CHECK(arg0 < 10);
                    return to_py_object<int>((arg0));
                }
                LOGf << "Not a valid call.";
            } catch (const std::exception& e) {
                if (!PyErr_Occurred()) {
                    std::stringstream ss;
                    if (check_async_executor_error(e, ss)) {
                        PyErr_Format(PyExc_RuntimeError,
                            "%s",
                            ss.str().c_str()
                        );
                    } else {
                        ss  << "Wrong inputs (jt.added)." << "\n\nTypes:\n" << PyArgPrinter{self, "self"} ;
                        PyErr_Format(PyExc_RuntimeError,
                            "%s\n%s\nFailed reason:%s",
                            ss.str().c_str(),
                            R""(The function declarations are:
 int added(int x), is_type<int>(x), CHECK(x);
)"",
                            e.what()
                        );
                    }
                }
            }
            return nullptr;
    }
    }
"""
MAIN = r"""
int main() {
    PyObject self{7}, numbers[] = {{3}, {12}, {10}, {200}};
    for (PyObject& number : numbers)
        for (const char* keyword : {(const char*)nullptr, "y"})
            for (long n : {1, 2}) {
                PyObject* given[] = {&number};
                PyObject* result = jittor::added(&self, given, n, keyword);
                printf("%d\n", result ? result->number : -1);
            }
}
"""


def said_by(folder: Path, text: str) -> str:
    """What a program prints that calls the function with numbers and keywords, right and wrong."""
    (folder / "stand_ins.h").write_text(STAND_INS)
    source, program = folder / "pyjt_made.cc", folder / "program"
    source.write_text(text + MAIN)
    subprocess.run(["g++", "-std=c++14", str(source), "-o", str(program)], check=True)
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout


def test_a_shortened_source_does_and_says_the_same(tmp_path):
    short = shortened(GENERATED, tmp_path / "pyjt_made.cc")
    for long in ("std::stringstream ss", "LOGf <<", " CHECK("):
        assert long in GENERATED
        assert long not in short.replace(", CHECK(x);", "")  # which is a declaration
    expected = said_by(tmp_path, GENERATED)
    assert said_by(tmp_path, short) == expected
    for part in (
        "4\n",
        "in the executor",
        "Not a valid call.",
        "keyword: y",
        "self=7",
        "Check failed: (is_type",
    ):
        assert part in expected


def test_joined_sources_share_what_builds_messages(tmp_path):
    other = GENERATED.replace("added", "other")
    both = shortened(GENERATED, tmp_path / "pyjt_made.cc") + shortened(other, tmp_path / "pyjt_other.cc")
    assert said_by(tmp_path, both) == said_by(tmp_path, GENERATED)


@pytest.mark.parametrize("text", ["", "namespace jittor {\nvoid pyjt_def_all() {}\n}\n"])
def test_a_source_without_messages_is_as_it_was(text, tmp_path):
    assert shortened(text, tmp_path / "pyjt_all.cc") == text


def test_all_that_jittor_generates_is_shortened(jt):
    generated = sorted((Path(jt.flags.cache_path) / "gen").glob("pyjt_*.cc"))
    assert len(generated) > 20
    for path in generated:
        text = path.read_text()
        short = shortened(text, path)
        assert "std::stringstream ss" not in short
        assert len(re.findall("WrongCall\\(e, ", short)) == text.count("std::stringstream ss")
        assert not re.search(r"^\s*CHECK\(", short, re.MULTILINE)


def test_a_wrong_call_names_the_function_its_arguments_and_the_reason(jt):
    with pytest.raises(RuntimeError) as raised:
        jt.ops.where(1, 2, 3, 4, 5, 6)
    for part in (
        "help(jt.ops.where)",
        "args\t= (int, int, int, int, int, int, )",
        "VarHolder* where",
        "Not a valid call.",
    ):
        assert part in str(raised.value)
    assert re.search(r"Failed reason:.*\[f .*pyjt_jit_op_maker\.cc:\d+\]", str(raised.value))
