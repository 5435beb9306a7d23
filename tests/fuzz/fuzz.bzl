"""fuzz_target: one entry point, built for libFuzzer and for the tests."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

# What each may take in an ordinary test run.
_SECONDS = 5

def fuzz_target(name, deps, srcs = None, size = "small", light = False):
    """A program that does something with an input (LLVMFuzzerTestOneInput).

    NAME_fuzz: for libFuzzer, with `--config=fuzz` only (run.sh builds it).
    NAME_corpus_test: the inputs of testdata/fuzz/NAME, each whole, truncated
    and mutated, through the same entry point; with any compiler, for a few
    seconds. light: with a tenth of the mutations, for targets that take long.
    srcs: NAME_fuzz.cc where nothing else is said.
    """
    srcs = srcs or [name + "_fuzz.cc"]
    cc_binary(
        name = name + "_fuzz",
        testonly = True,
        srcs = srcs,
        tags = ["manual"],
        deps = deps,
    )
    cc_test(
        name = name + "_corpus_test",
        size = size,
        srcs = srcs,
        args = (["--light"] if light else []) + [
            "--seconds=%d" % _SECONDS,
            "testdata/fuzz/" + name,
        ],
        data = ["//testdata/fuzz:" + name],
        deps = deps + [":replay_main"],
    )
