"""fuzz_target: one entry point, built for libFuzzer and for the tests."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

def fuzz_target(name, srcs, deps, size = "small", light = False):
    """A program that does something with an input (LLVMFuzzerTestOneInput).

    NAME_fuzz: for libFuzzer, with `--config=fuzz` only (run.sh builds it).
    NAME_corpus_test: the inputs of testdata/fuzz/NAME, each whole, truncated
    and mutated, through the same entry point; with any compiler. light: with a
    tenth of the mutations, for targets that take long.
    """
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
        args = (["--light"] if light else []) + ["testdata/fuzz/" + name],
        data = ["//testdata/fuzz:" + name],
        deps = deps + [":replay_main"],
    )
