//! Paths in and out of the sandbox.

use super::*;

#[test]
fn paths_stay_inside_the_sandbox() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    let check = |key: &str, value: &str, inside: bool| {
        let arguments = serde_json::json!({ key: value }).to_string();
        let expected = (!inside).then_some(Because::Path);
        assert_eq!(verdict(&policy, "read_file", &arguments), expected, "{key}: {value:?}");
    };
    for inside in [
        "/work/app",
        "/work/app/",
        "/work/app/a b.txt",
        "a.txt",
        "./a",
        "a/../b",
        "/work/app/x/../y",
        "in/lib.rs",
        "..a",
        "a..b/c",
        "file:///work/app/x",
        "file:/work/app/x",
        "FILE://localhost/work/app/x",
        "",
        "/dev/null",
        "naïve.txt",
        "a%20b",
        "100%",
        "x$",
        "C",
        "/work//app/x",
        "/work/./app/x",
    ] {
        check("file_path", inside, true);
    }
    for outside in [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "/work/app/../../etc",
        "/work/apple",
        "/work",
        "/",
        "..",
        "../",
        "~",
        "~/x",
        "~root/x",
        "$HOME/x",
        "${HOME}/x",
        "$(pwd)/../x",
        "`id`",
        "%HOME%/x",
        "/proc/self/root/etc/passwd",
        "/proc/self/root/work/app",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE:///etc/passwd",
        "file://host/work/app/x",
        "%2e%2e/x",
        "..%2fx",
        "%2fetc%2fpasswd",
        "%252e%252e%252fx",
        "/work/app/%2e%2e/%2e%2e/etc",
        "..%c0%afx",
        "%c0%ae%c0%ae/x",
        "..%00/x",
        "a\0/../../x",
        "a\u{0}",
        "/etc/passwd\n",
        "\u{FF0E}\u{FF0E}/x",
        "\u{2025}/x",
        "..\u{FF0F}x",
        "..\u{2215}..\u{2215}etc",
        "..\\x",
        "..\\..\\etc",
        "C:\\Windows",
        "c:/Windows",
        "C:x",
        "\\\\server\\share",
        "//server/share",
        "\\\\?\\C:\\x",
        " /etc/passwd",
        "/etc/passwd ",
        "out/passwd",
        "out",
        "/work/app/out/x",
        "in/../../x",
        ".\u{200B}./x",
        "/dev/sda",
        "/dev/null/../sda",
        "/dev/fd/3",
        "/work/app/\u{200D}../../etc",
    ] {
        check("file_path", outside, false);
    }
}

#[test]
fn paths_are_found_under_any_key() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    for (arguments, expected) in [
        (r#"{"files":["a","/etc/passwd"]}"#, Some(Because::Path)),
        (r#"{"deep":{"er":[{"note_x":"/etc/passwd"}]}}"#, Some(Because::Path)),
        (r#"{"files":{"/etc/cron.d/x":"* * * * *"}}"#, Some(Because::Path)),
        (r#"{"anything":"../../x"}"#, Some(Because::Path)),
        (r#"{"anything":"\u002fetc\u002fpasswd"}"#, Some(Because::Path)),
        (r#"{"path":"a","path":"/etc/passwd"}"#, Some(Because::Path)),
        (r#"{"cwd":"/etc","path":"a"}"#, Some(Because::Path)),
        (r#"{"cwd":"sub","path":"../a"}"#, None),
        (r#"{"cwd":"sub","path":"../../a"}"#, Some(Because::Path)),
        (r#"{"path":"a","content":"/etc/passwd is a file"}"#, None),
        (r#"{"path":"a","old_string":"/etc/passwd","new_string":"../x"}"#, None),
        (r#"{"pattern":"/usr/.*","path":"src"}"#, None),
        (r#"{"url":"https://example.com/../x"}"#, None),
        (r#"{"n":1,"ok":true,"none":null}"#, None),
        (
            r#"{"patch":"*** Begin Patch\n*** Update File: /etc/passwd\n@@\n*** End Patch"}"#,
            Some(Because::Path),
        ),
        (r#"{"patch":"*** Begin Patch\n*** Add File: src/a.rs\n+x\n*** End Patch"}"#, None),
    ] {
        assert_eq!(verdict(&policy, "tool", arguments), expected, "{arguments}");
    }
}

#[test]
fn words_of_scripts_stay_inside_too() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    let check = |script: &str, inside: bool| {
        let arguments = serde_json::json!({ "command": script }).to_string();
        let expected = (!inside).then_some(Because::Path);
        assert_eq!(verdict(&policy, "bash", &arguments), expected, "{script}");
    };
    for inside in [
        "ls -la",
        "cat src/a.rs | grep -n foo",
        "cargo test 2>&1 | tail -20",
        "cd src && cat ../Cargo.toml",
        "echo /etc/passwd",
        "/usr/bin/python3 x.py > out.txt 2> /dev/null",
        "rm -rf target",
        "for f in a b; do cat $f; done",
        "X=src; ls $X/lib",
        "git commit -m 'fix: ~ and /'",
        "cat <<'EOF' > a.txt\n/etc/passwd ..\nEOF",
        "grep -r \"a/b\" .",
        "find . -name '*.rs'",
        "curl https://example.com/a/../b",
        "ls $PWD/src",
        "sed -i 's/a/b/' x.txt",
        "test -f x && echo yes",
        "make CC=gcc",
        "cat ./{a,b}.txt",
        "wc -l *.rs",
    ] {
        check(inside, true);
    }
    for outside in [
        "cat /etc/passwd",
        "cat ../../etc/passwd",
        "cd .. && ls",
        "cd && ls",
        "cd; ls",
        "cat ~/.ssh/id_rsa",
        "ls ~",
        "cat $HOME/x",
        "cat ${HOME}/x",
        "X=/etc; cat $X/passwd",
        "for d in /etc; do ls $d; done",
        "cat $(echo /etc/passwd)",
        "cat `echo x`",
        "echo x > /tmp/y",
        "echo x >> ../y",
        "sort < /etc/passwd",
        "tee /etc/x",
        "cat '/etc/passwd'",
        "cat \"/etc/passwd\"",
        "cat /e\\tc/passwd",
        "cat /e''tc/passwd",
        "cat $'\\x2fetc/passwd'",
        "cat $'\\057etc'",
        "cat {/etc/passwd,a}",
        "cat ${x:-/etc/passwd}",
        "bash -c 'cat /etc/passwd'",
        "sh -lc \"cat /etc/passwd\"",
        "env A=b cat /etc/passwd",
        "xargs -I{} cat /etc/passwd",
        "find /etc -name x",
        "find . -exec cat /etc/passwd \\;",
        "tar -C /etc -cf x .",
        "cp --target-directory=/etc a",
        "gcc -I/etc x.c",
        "dd if=/etc/passwd",
        "cat .*/x",
        "eval 'cat /etc/passwd'",
        "cat out/passwd",
        "bash <<EOF\ncat /etc/passwd\nEOF",
        "$(cat /etc/passwd)",
        "(cat /etc/passwd)",
        "{ cat /etc/passwd; }",
        "f() { cat /etc/passwd; }; f",
        "if true; then cat /etc/passwd; fi",
        "cat a;cat /etc/passwd",
        "cat a&&cat /etc/passwd",
        "true || cat /etc/passwd",
        "cat a\ncat /etc/passwd",
        "ls \\\n /etc",
        "diff <(cat /etc/passwd) a",
        "echo \"$(cat /etc/passwd)\"",
        "cat file:///etc/passwd",
        "cd src && cat ../../x",
        "/tmp/evil",
        "cat $UNKNOWN/x",
        "python3 /tmp/x.py",
    ] {
        check(outside, false);
    }
    let words = |words: &[&str]| serde_json::json!({ "command": words }).to_string();
    assert_eq!(verdict(&policy, "shell", &words(&["cat", "/etc/passwd"])), Some(Because::Path));
    assert_eq!(verdict(&policy, "shell", &words(&["bash", "-lc", "cat ~/x"])), Some(Because::Path));
    assert_eq!(verdict(&policy, "shell", &words(&["bash", "-lc", "cat a"])), None);
    assert_eq!(verdict(&policy, "shell", &words(&["cat", "$HOME"])), None, "no shell, no expansion");
}
