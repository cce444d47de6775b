//! Commands that do wide harm: as another user, to whole disks, to the keys and the start of a machine, to strangers' code.

use std::path::Path;

use crate::inspect::tools::path::normal;
use crate::inspect::tools::shell::unwrap::SHELLS;
use crate::inspect::tools::shell::{Command, Word, base};

/// Commands that are never needed for work on files of one's own.
const NEVER: &[&str] = &[
    "sudo",
    "su",
    "doas",
    "pkexec",
    "runuser",
    "visudo",
    "passwd",
    "chpasswd",
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "adduser",
    "deluser",
    "shutdown",
    "reboot",
    "halt",
    "poweroff",
    "telinit",
    "mkswap",
    "wipefs",
    "fdisk",
    "sfdisk",
    "gdisk",
    "parted",
    "blkdiscard",
    "insmod",
    "modprobe",
    "rmmod",
    "kexec",
    "iptables",
    "ip6tables",
    "nft",
    "ufw",
    "setenforce",
    "auditctl",
    "mount",
    "umount",
    "pivot_root",
    "chroot",
    "nsenter",
    "insmod",
    "at",
    "atrm",
    "batch",
    "chattr",
    "setcap",
    "debugfs",
];

/// Commands that fetch what others wrote.
const FETCHERS: &[&str] = &[
    "curl", "wget", "fetch", "aria2c", "http", "https", "httpie", "xh", "lynx", "w3m", "nc", "ncat", "socat",
    "ftp", "scp",
];

/// Commands that turn unreadable text into something else.
const DECODERS: &[&str] =
    &["base64", "base32", "xxd", "openssl", "gzip", "gunzip", "zcat", "rev", "tr", "uudecode"];

/// Interpreters, which run what they read.
const INTERPRETERS: &[&str] = &[
    "python",
    "python2",
    "python3",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "deno",
    "bun",
    "php",
    "lua",
    "osascript",
    "tclsh",
];

/// Places that hold keys or decide what runs later: parts of a path.
const TENDER: &[&str] = &[
    "/.ssh/",
    "/.gnupg/",
    "/.aws/",
    "/.kube/",
    "/.docker/config",
    "/.netrc",
    "/.git-credentials",
    "/.npmrc/",
    "/.pypirc/",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/.config/gcloud/",
    "/.azure/",
    "/proc/self/environ",
];

/// Places that decide what runs later, or who may do what.
const STARTING: &[&str] = &[
    "/.bashrc/",
    "/.bash_profile/",
    "/.profile/",
    "/.zshrc/",
    "/.zprofile/",
    "/.zshenv/",
    "/.bash_login/",
    "/.config/autostart/",
    "/.config/systemd/",
    "/.config/fish/",
    "/.git/hooks/",
    "/.gitconfig/",
    "/etc/",
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib/",
    "/lib64/",
    "/boot/",
    "/sys/",
    "/proc/",
    "/var/spool/cron/",
    concat!("/root", "/"),
    "/dev/sd",
    "/dev/nvme",
    "/dev/vd",
    "/dev/hd",
    "/dev/mem",
    "/dev/kmem",
    "/dev/mmcblk",
    "/dev/disk",
    "/dev/mapper/",
    "/.local/bin/",
];

/// Whether a script holds a command that does wide harm. `commands` are all that it may run.
pub fn is_harmful(commands: &[Command]) -> bool {
    is_bomb(commands)
        || is_fed(commands)
        || commands
            .iter()
            .any(|command| is_unknown(command) || is_command_harmful(command) || writes_harm(command))
}

fn is_command_harmful(command: &Command) -> bool {
    let Some(first) = command.words.first() else { return false };
    let (name, rest) = (base(first), &command.words[1..]);
    let socket = |word: &Word| word.text.contains("/dev/tcp/") || word.text.contains("/dev/udp/");
    let files = || command.words.iter().chain(&command.reads).chain(&command.writes);
    if NEVER.contains(&name)
        || name.starts_with("mkfs")
        || files().any(|word| socket(word) || is_in(word, TENDER))
    {
        return true;
    }
    match name {
        "rm" | "unlink" | "shred" | "srm" => removes_widely(rest),
        "find" | "fd" => has(rest, &["-delete"]) && rest.first().is_some_and(is_wide),
        "rsync" => has(rest, &["--delete"]) && rest.last().is_some_and(is_wide),
        "chmod" => opens_widely(rest),
        "chown" | "chgrp" => recursive(rest) && operands(rest).skip(1).any(is_wide),
        "dd" => rest.iter().any(|word| {
            word.text.strip_prefix("of=").is_some_and(|to| is_at(to, STARTING) || is_at(to, TENDER))
        }),
        "crontab" => !rest.iter().all(|word| word.text == "-l"),
        "systemctl" | "service" | "launchctl" => has(
            rest,
            &[
                "enable",
                "disable",
                "mask",
                "stop",
                "start",
                "restart",
                "poweroff",
                "reboot",
                "load",
                "bootstrap",
            ],
        ),
        "kill" | "pkill" | "killall" => {
            rest.iter().any(|word| matches!(word.text.as_str(), "-1" | "1")) && rest.len() > 1
        }
        "history" => has(rest, &["-c", "-w"]),
        "nc" | "ncat" | "netcat" => options(rest)
            .any(|option| option.contains('e') || option.contains('c') || option.starts_with("--exec")),
        "socat" => rest.iter().any(|word| {
            let text = word.text.to_ascii_lowercase();
            text.contains("exec:") || text.contains("system:")
        }),
        "git" => pushes_by_force(rest),
        "docker" | "podman" => {
            has(rest, &["--privileged"])
                || rest.iter().any(|word| word.text.starts_with("/:") || word.text.contains("=/:"))
        }
        "init" => rest.first().is_some_and(|word| matches!(word.text.as_str(), "0" | "6")),
        "export" | "declare" => {
            rest.iter().any(|word| is_loader(word.text.split('=').next().unwrap_or_default()))
        }
        "tee" | "cp" | "mv" | "ln" | "install" | "touch" | "truncate" | "rsync-to" => writes_with(name, rest),
        "sed" | "perl" => {
            options(rest).any(|option| option.contains('i'))
                && operands(rest).any(|word| is_in(word, STARTING))
        }
        _ => command.assigns.iter().any(|(name, _)| is_loader(name)),
    }
}

/// A command whose name cannot be known.
fn is_unknown(command: &Command) -> bool {
    command.words.first().is_some_and(|word| word.unknown)
}

fn is_loader(name: &str) -> bool {
    matches!(
        name,
        "LD_PRELOAD"
            | "LD_LIBRARY_PATH"
            | "LD_AUDIT"
            | "BASH_ENV"
            | "PROMPT_COMMAND"
            | "DYLD_INSERT_LIBRARIES"
    )
}

/// A shell or interpreter that runs what it reads from a pipe, from the net or from a substitution.
fn is_fed(commands: &[Command]) -> bool {
    let name =
        |command: &Command| command.words.first().map(|word| base(word).to_owned()).unwrap_or_default();
    let runs = |name: &str| {
        let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        SHELLS.contains(&name) || INTERPRETERS.contains(&name) || INTERPRETERS.contains(&bare)
    };
    let is_foreign = |name: &str| FETCHERS.contains(&name) || DECODERS.contains(&name);
    // A pipe's commands follow each other in the list, those of substitutions before them.
    let foreign = commands.iter().any(|command| is_foreign(&name(command)));
    commands.iter().any(|command| {
        let name = name(command);
        let rest = command.words.get(1..).unwrap_or_default();
        let bare = operands(rest).next().is_none() || has(rest, &["-s", "-", "/dev/stdin"]);
        let substituted = rest.iter().any(|word| word.unknown);
        let shell = SHELLS.contains(&name.as_str()) || matches!(name.as_str(), "source" | "." | "eval");
        command.piped && runs(&name) && bare && (shell || foreign)
            || substituted && shell
            || substituted && runs(&name) && foreign
    })
}

/// A function that starts itself twice, or beside itself: it fills the machine.
fn is_bomb(commands: &[Command]) -> bool {
    commands.iter().any(|command| {
        let Some(name) = command.words.first().map(|word| &word.text) else { return false };
        command.function.as_ref() == Some(name) && (command.piped || command.background)
    })
}

fn writes_harm(command: &Command) -> bool {
    command.writes.iter().any(|word| is_in(word, STARTING) || is_in(word, TENDER))
}

/// Commands whose words, or the last of them, are files that are written.
fn writes_with(name: &str, rest: &[Word]) -> bool {
    let mut files = operands(rest);
    match name {
        "cp" | "mv" | "ln" | "install" => files.next_back().is_some_and(|word| is_in(word, STARTING)),
        _ => files.any(|word| is_in(word, STARTING)),
    }
}

fn removes_widely(rest: &[Word]) -> bool {
    has(rest, &["--no-preserve-root"])
        || operands(rest).any(|word| is_wide(word) && (recursive(rest) || word.glob))
}

/// `chmod` that gives everything to everybody, lets others act as the owner, or changes whole trees.
fn opens_widely(rest: &[Word]) -> bool {
    let mode = operands(rest).next().map(|word| word.text.as_str()).unwrap_or_default();
    let octal = !mode.is_empty() && mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let special =
        octal && mode.trim_start_matches('0').len() >= 4 || mode.contains("+s") || mode.contains("=s");
    let others =
        octal && mode.ends_with(['2', '3', '6', '7']) || mode.contains("o+w") || mode.contains("a+w");
    let others = others || mode.contains("a+rwx") || mode.contains("a=rwx") || mode.contains("ugo+");
    let wide = operands(rest).skip(1).any(is_wide);
    special || wide && (others || recursive(rest))
}

fn pushes_by_force(rest: &[Word]) -> bool {
    let mut words = rest.iter().skip_while(|word| word.text != "push").skip(1).peekable();
    words.peek().is_some()
        && words.any(|word| {
            let text = word.text.as_str();
            let short = text.starts_with('-') && !text.starts_with("--") && text.contains(['f', 'd']);
            short
                || text.starts_with('+')
                || text.starts_with("--force")
                || matches!(text, "--mirror" | "--delete" | "--prune")
        })
}

/// Whether a word names a whole tree that is not one's own: the root, a home, a top folder, everything above.
fn is_wide(word: &Word) -> bool {
    if word.home || word.text.starts_with('~') || word.unknown {
        return true;
    }
    let text = word.text.trim_end_matches(['*', '.', '?']);
    if !word.text.starts_with('/') {
        let above = word.text.split('/').filter(|part| *part == "..").count();
        let down = word.text.split('/').filter(|part| !matches!(*part, ".." | "." | "" | "*")).count();
        return above > 0 && above >= down || word.text == ".*" || word.text == "./.*";
    }
    let path = normal(Path::new(text));
    let deep = path.components().count().saturating_sub(1);
    deep <= 1 || deep == 2 && path.starts_with("/home") || is_in(word, STARTING)
}

fn is_in(word: &Word, places: &[&str]) -> bool {
    let home = if word.home { "/home/user" } else { "" };
    let text = word.text.strip_prefix('~').filter(|_| word.home).unwrap_or(&word.text);
    is_at(&format!("{home}{text}"), places)
}

/// Whether a path lies at one of some places.
fn is_at(text: &str, places: &[&str]) -> bool {
    let value = text.rsplit_once('=').map_or(text, |(_, value)| value);
    [text, value].iter().any(|text| {
        let text =
            text.strip_prefix('~').map_or_else(|| (*text).to_owned(), |rest| format!("/home/user{rest}"));
        let rooted = text.starts_with('/');
        let path = format!("{}/", normal(Path::new(&text)).display());
        places.iter().any(|place| match place.as_bytes().get(1) {
            Some(b'.') => path.contains(place),
            _ => rooted && path.starts_with(place),
        })
    })
}

fn recursive(rest: &[Word]) -> bool {
    options(rest).any(|option| {
        matches!(option, "--recursive" | "--dir") || !option.starts_with("--") && option.contains(['r', 'R'])
    })
}

fn has(rest: &[Word], wanted: &[&str]) -> bool {
    rest.iter().any(|word| wanted.contains(&word.text.as_str()))
}

fn options(rest: &[Word]) -> impl Iterator<Item = &str> {
    rest.iter().map(|word| word.text.as_str()).filter(|text| text.len() > 1 && text.starts_with('-'))
}

fn operands(rest: &[Word]) -> impl DoubleEndedIterator<Item = &Word> {
    rest.iter().filter(|word| !word.text.starts_with('-') || word.text == "-")
}
