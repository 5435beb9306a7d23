"""The rule sets p2pcp builds with: Debian's packages, or pinned archives.

Debian's bazel-bootstrap has no network while it builds, and rules_cc since
0.0.4 names `use_cpp_toolchain`, which Bazel 4.2.3 does not have yet. Both are
dealt with here, once, so that the BUILD files are ordinary ones.
"""

def _rule_set_impl(ctx):
    packaged = ctx.path(ctx.attr.debian_path)
    if packaged.exists:
        # Copied, not linked, since files may have to be changed.
        ctx.execute(["cp", "-RL", ctx.attr.debian_path + "/.", "."])
    else:
        ctx.download_and_extract(
            url = ctx.attr.url,
            sha256 = ctx.attr.sha256,
            stripPrefix = ctx.attr.strip_prefix,
        )
    for path in ctx.attr.without_use_cpp_toolchain:
        if not ctx.path(path).exists:
            continue
        text = ctx.read(path)
        text = text.replace(", \"use_cpp_toolchain\"", "")
        text = text.replace(
            "use_cpp_toolchain()",
            "[\"@bazel_tools//tools/cpp:toolchain_type\"]",
        )
        ctx.file(path, text)
    if not ctx.path("WORKSPACE").exists:
        ctx.file("WORKSPACE", "")

_rule_set = repository_rule(
    implementation = _rule_set_impl,
    attrs = {
        "debian_path": attr.string(mandatory = True),
        "url": attr.string(mandatory = True),
        "sha256": attr.string(mandatory = True),
        "strip_prefix": attr.string(),
        "without_use_cpp_toolchain": attr.string_list(
            doc = "Files to free of that name.",
        ),
    },
)

def _no_coverage_impl(ctx):
    ctx.file("WORKSPACE", "")
    ctx.file("BUILD", """filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
""")

# cc_test names @remote_coverage_tools even where no coverage is asked for.
_no_coverage = repository_rule(implementation = _no_coverage_impl)

def p2pcp_repositories():
    _rule_set(
        name = "rules_cc",
        debian_path = "/usr/share/bazel/rules/cc",
        url = "https://github.com/bazelbuild/rules_cc/releases/download/0.0.5/rules_cc-0.0.5.tar.gz",
        sha256 = "2004c71f3e0a88080b2bd3b6d3b73b4c597116db9c9a36676d0ffad39b849214",
        strip_prefix = "rules_cc-0.0.5",
        without_use_cpp_toolchain = [
            "cc/private/rules_impl/cc_flags_supplier.bzl",
            "cc/private/rules_impl/compiler_flag.bzl",
        ],
    )
    _rule_set(
        name = "platforms",
        debian_path = "/usr/share/bazel/platforms",
        url = "https://github.com/bazelbuild/platforms/releases/download/0.0.6/platforms-0.0.6.tar.gz",
        sha256 = "5308fc1d8865406a49427ba24a9ab53087f17f5266a7aabbfc28823f3916e1ca",
    )
    _rule_set(
        name = "bazel_skylib",
        debian_path = "/usr/share/bazel/tools/skylib",
        url = "https://github.com/bazelbuild/bazel-skylib/releases/download/1.4.1/bazel-skylib-1.4.1.tar.gz",
        sha256 = "b8a1527901774180afc798aeb28c4634bdccf19c4d98e7bdd1ce79d1fe9aaad7",
    )
    _rule_set(
        name = "rules_java",
        debian_path = "/usr/share/bazel/rules/java",
        url = "https://github.com/bazelbuild/rules_java/archive/7cf3cefd652008d0a64a419c34c13bdca6c8f178.zip",
        sha256 = "bc81f1ba47ef5cc68ad32225c3d0e70b8c6f6077663835438da8d5733f917598",
        strip_prefix = "rules_java-7cf3cefd652008d0a64a419c34c13bdca6c8f178",
    )
    _rule_set(
        name = "rules_proto",
        debian_path = "/usr/share/bazel/rules/proto",
        url = "https://github.com/bazelbuild/rules_proto/archive/7e4afce6fe62dbff0a4a03450143146f9f2d7488.tar.gz",
        sha256 = "8e7d59a5b12b233be5652e3d29f42fba01c7cbab09f6b3a8d0a57ed6d1e9a0da",
        strip_prefix = "rules_proto-7e4afce6fe62dbff0a4a03450143146f9f2d7488",
    )
    _no_coverage(name = "remote_coverage_tools")
