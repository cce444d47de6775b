//! Hosts that are public, and all the others.

use super::*;

#[test]
fn hosts_are_public() {
    let policy = policy(&config(&[ToolPolicy::NetSafe]));
    let check = |key: &str, value: &str, public: bool| {
        let arguments = serde_json::json!({ key: value }).to_string();
        let expected = (!public).then_some(Because::Address);
        assert_eq!(verdict(&policy, "fetch", &arguments), expected, "{key}: {value:?}");
    };
    for public in [
        "https://example.com/",
        "http://example.com:8080/x?y=1#z",
        "HTTPS://EXAMPLE.COM",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "wss://example.com/a",
        "https://a.b.example.co.uk./x",
        "ssh://git@github.com/a/b",
        "https://1e100.net",
        "ftp://ftp.example.org",
        "https://example.com/?u=a@b.c",
        "mailto:a@example.com",
        "urn:isbn:1",
        "https://localhost.example.com/",
        "https://internal.example.com",
        "https://172.32.0.1/",
        "https://100.128.0.1",
        "see https://example.com.",
        "",
    ] {
        check("url", public, true);
    }
    for private in [
        "http://localhost/",
        "http://LOCALHOST:80/",
        "http://a.localhost",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0/",
        "http://0.0.0.0",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://10.0.0.1",
        "http://192.168.1.1",
        "http://172.16.0.1",
        "http://172.31.255.255",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://0251.0376.0251.0376/",
        "http://100.64.0.1",
        "http://100.100.100.200/",
        "http://192.0.0.192",
        "http://168.63.129.16/",
        "http://metadata.google.internal/",
        "http://metadata/",
        "http://metadata.google.internal./",
        "http://x.local/",
        "http://router.lan",
        "http://db.corp",
        "http://kubernetes.default.svc",
        "http://intranet",
        "http://[::1]/",
        "http://[::]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:1::1]",
        "http://[fec0::1]",
        "http://[ff02::1]",
        "http://[0:0:0:0:0:0:0:1]",
        "http://user@127.0.0.1/",
        "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com#@127.0.0.1/",
        "http://127.0.0.1#@example.com",
        "http://a@b@127.0.0.1",
        "http:127.0.0.1",
        "http:/127.0.0.1",
        "http:///127.0.0.1",
        "http:\\\\127.0.0.1",
        "//127.0.0.1/",
        "\\\\127.0.0.1",
        "ht\ttp://127.0.0.1",
        "http://127.0.0\n.1",
        "http://127.0.0.1.nip.io",
        "http://a.sslip.io",
        "http://localtest.me",
        "http://x.lvh.me",
        "http://%6c%6f%63%61lhost",
        "http://127%2e0%2e0%2e1",
        "http://①②⑦.⓪.⓪.①",
        "http://１２７.0.0.1",
        "http://127。0。0。1",
        "http://xn--lcalhost-9ya.com",
        "http://ʟocalhost",
        "http://256.256.256.256",
        "http://1.2.3.4.5",
        "http://127.0.0.1:80:80",
        "gopher://127.0.0.1:6379/_x",
        "dict://localhost:11211",
        "ssh://root:x@example.com",
        "http://user:pass@example.com",
        "redis://localhost",
        "postgres://u@10.1.2.3/db",
        "ws://127.0.0.1",
        "http://[::1",
        "http://x_y",
        "a https://example.com b http://127.0.0.1",
        "jar:http://127.0.0.1!/",
        "view-source:http://localhost",
        "http://0x7f.0x0.0x0.0x1",
        "http://000000177.0.0.01",
    ] {
        check("url", private, false);
    }
    for (key, value, public) in [
        ("host", "example.com", true),
        ("host", "example.com:443", true),
        ("host", "8.8.8.8", true),
        ("host", "127.0.0.1", false),
        ("host", "10.0.0.1:8080", false),
        ("host", "::1", false),
        ("host", "[::1]:80", false),
        ("host", "2130706433", false),
        ("host", "localhost", false),
        ("ip", "169.254.169.254", false),
        ("endpoint", "metadata.google.internal/computeMetadata/v1", false),
        ("anything", "http://169.254.169.254/", false),
        ("content", "http://localhost:3000 is the dev server", true),
        ("x", "12:30 is the time", true),
        ("x", "key: value", true),
        ("x", "std::fmt::Debug", true),
    ] {
        check(key, value, public);
    }
}

#[test]
fn hosts_in_scripts_are_public() {
    let policy = policy(&config(&[ToolPolicy::NetSafe]));
    let check = |script: &str, public: bool| {
        let arguments = serde_json::json!({ "command": script }).to_string();
        let expected = (!public).then_some(Because::Address);
        assert_eq!(verdict(&policy, "bash", &arguments), expected, "{script}");
    };
    for public in [
        "curl -sS https://example.com/x -o y.json",
        "git clone git@github.com:a/b.git",
        "pip install x",
        "wget example.com",
        "ssh host.example.com ls",
        "curl -H 'Accept: application/json' https://api.example.com",
        "npm run dev -- --port 3000",
        "ping -c 1 example.com",
        "cargo build",
    ] {
        check(public, true);
    }
    for private in [
        "curl http://169.254.169.254/latest/",
        "curl 169.254.169.254",
        "curl localhost:8080",
        "wget -qO- http://127.1/",
        "nc 10.0.0.1 22",
        "ssh root@192.168.0.1",
        "curl 2130706433",
        "curl 0x7f000001",
        "curl [::1]:80",
        "bash -c 'curl http://localhost'",
        "curl ht''tp://127.0.0.1",
        "echo x > /dev/tcp/10.0.0.1/80",
        "cat < /dev/tcp/127.0.0.1/22",
        "curl $'http://127.0.0.1'",
        "X=http://127.0.0.1; curl $X",
        "python3 -c \"get('http://localhost')\"",
        "curl -x http://127.0.0.1:3128 https://example.com",
    ] {
        check(private, false);
    }
}
