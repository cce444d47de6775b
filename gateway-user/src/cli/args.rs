//! The command line: every command, flag and its help text.

mod texts;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Place;
pub use texts::{CheckArgs, DirectionArg, RulesAction, TextArgs};

const AFTER: &str = "\
Exit codes:
  0    done
  1    the command failed; the message says what, where, and what to do (check, doctor: something was found)
  2    the command line is wrong
  64   the configuration is wrong; every problem is listed
  69   something needed is not there: rights, a kernel feature, a free port
  N    `gateway run` passes on the exit code of the command it ran (128+signal when a signal ended it)";

/// Protects unmodified programs that talk to LLMs: redacts or blocks secrets in the stream, cuts a stream when its
/// budget is spent, and records all of it.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, after_help = AFTER, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Flags every command takes; each can also stand in the configuration file or in `GATEWAY_…`.
#[derive(Debug, Default, Args)]
pub struct Common {
    /// Configuration file (YAML).
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where state is kept: CA, records, ledger [default: /var/lib/gateway as root, else the XDG state folder].
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// `warn` reports and lets pass; `strict` enforces and fails closed [default: strict].
    #[arg(long, global = true, value_enum)]
    pub mode: Option<ModeArg>,
    /// Most this app may spend, in US dollars. What was spent is kept in the state folder.
    #[arg(long, global = true, value_name = "USD")]
    pub budget: Option<String>,
    /// Extra root certificate (PEM) for verifying upstreams, beside the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
    /// Serve metrics on this loopback address, such as 127.0.0.1:9464, besides the control socket.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Output for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Report and let pass.
    Warn,
    /// Enforce and fail closed.
    Strict,
}

/// `--fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailArg {
    /// While no gateway runs, steered connections are refused.
    Closed,
    /// While no gateway runs, connections go straight out.
    Open,
}

/// `--steer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SteerArg {
    /// Every TCP connection to port 443; what is no LLM host is relayed untouched.
    Tls,
    /// Only addresses the app learned for known LLM names.
    Known,
}

/// `--via`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ViaArg {
    /// eBPF where it works, else nftables.
    Auto,
    /// Kernel programs.
    Ebpf,
    /// A table of nftables rules.
    Nftables,
}

/// Which cgroups; each flag can be given more than once.
#[derive(Debug, Default, Args)]
pub struct PlaceArgs {
    /// Path of a cgroup, or its name below the cgroup v2 mount.
    #[arg(long, value_name = "PATH|NAME")]
    pub cgroup: Vec<String>,
    /// The cgroup a process is in, with everything else in it.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,
    /// A container by its id (at least six digits) or name; of a pod: CONTAINER, POD/CONTAINER or NAMESPACE/POD/CONTAINER.
    #[arg(long, value_name = "ID|NAME")]
    pub container: Vec<String>,
    /// A unit of systemd; `.service` may be left out.
    #[arg(long, value_name = "UNIT")]
    pub systemd: Vec<String>,
}

impl PlaceArgs {
    /// The places, those of one flag after those of another.
    pub fn places(&self) -> Vec<Place> {
        let cgroups = self.cgroup.iter().cloned().map(Place::Cgroup);
        let pids = self.pid.iter().copied().map(Place::Pid);
        let containers = self.container.iter().cloned().map(Place::Container);
        cgroups
            .chain(pids)
            .chain(containers)
            .chain(self.systemd.iter().cloned().map(Place::Systemd))
            .collect()
    }
}

/// What `gateway doctor` looks at; one of them, or none for this machine.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub struct SubjectArgs {
    /// The processes of a cgroup: its path, or its name below the cgroup v2 mount.
    #[arg(long, value_name = "PATH|NAME")]
    pub cgroup: Option<String>,
    /// The processes of a container, by its id (at least six digits) or name.
    #[arg(long, value_name = "ID|NAME")]
    pub container: Option<String>,
    /// The processes of a unit of systemd; `.service` may be left out.
    #[arg(long, value_name = "UNIT")]
    pub systemd: Option<String>,
    /// This process alone.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// These LLM hosts, over the network; without a name all known ones. Nothing but a plain GET is sent.
    #[arg(long, value_name = "HOST", num_args = 0..)]
    pub upstream: Option<Vec<String>>,
}

impl SubjectArgs {
    /// The cgroup that is named, if one is.
    pub fn place(&self) -> Option<Place> {
        let cgroup = self.cgroup.clone().map(Place::Cgroup);
        let container = || self.container.clone().map(Place::Container);
        cgroup.or_else(container).or_else(|| self.systemd.clone().map(Place::Systemd))
    }
}

/// How connections of a cgroup are steered.
#[derive(Debug, Default, Args)]
pub struct SteerArgs {
    /// What happens to steered connections while no gateway runs [default: closed in strict, open in warn].
    #[arg(long, value_enum)]
    pub fail: Option<FailArg>,
    /// Which connections are steered [default: tls].
    #[arg(long, value_enum)]
    pub steer: Option<SteerArg>,
    /// With what connections are steered [default: auto].
    #[arg(long, value_enum)]
    pub via: Option<ViaArg>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Protect everything that runs in a cgroup, until stopped (needs root).
    ///
    /// Examples:
    ///   gateway attach --cgroup system.slice/app.service
    ///   gateway attach --cgroup agents --create --mode strict --budget 5
    ///   gateway attach --container web --systemd worker   (two apps, each booked apart)
    ///   gateway attach --config gateway.yaml              (the apps listed there under `apps:`)
    #[command(verbatim_doc_comment)]
    Attach {
        /// Which cgroups; without any, those of `apps:` in the configuration file.
        #[command(flatten)]
        places: PlaceArgs,
        /// Make the cgroup if it does not exist.
        #[arg(long)]
        create: bool,
        /// How to steer.
        #[command(flatten)]
        steer: SteerArgs,
    },
    /// Remove the kernel programs from cgroups, also those of a gateway that died; without a place from all. A gateway
    /// that serves more apps goes on with the others.
    Detach {
        /// Which cgroups.
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Run one command protected, in a fresh cgroup with our CA trusted, and pass on its exit code (needs root).
    ///
    /// Example:
    ///   gateway run --budget 2 -- claude -p 'fix the build'
    #[command(verbatim_doc_comment)]
    Run {
        /// Name of the fresh cgroup [default: gateway-run-PID].
        #[arg(long, value_name = "NAME")]
        cgroup: Option<String>,
        /// User to run the command as [default: who called sudo, else the caller].
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// How to steer.
        #[command(flatten)]
        steer: SteerArgs,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Serve as reverse proxy for SDKs with a base URL; the same port answers CONNECT (HTTPS_PROXY).
    ///
    /// Example:
    ///   gateway proxy --listen 127.0.0.1:8000 --upstream https://api.openai.com/v1 --mode strict --budget 10.0
    #[command(verbatim_doc_comment)]
    Proxy {
        /// Address to listen on [default: 127.0.0.1:8000].
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Base URL of the provider requests are sent to [default: https://api.openai.com/v1].
        #[arg(long, value_name = "URL")]
        upstream: Option<String>,
    },
    /// What is attached, what passed, and what the budgets say.
    Status {
        /// Show which connections were inspected, and which were not and why, by process and host.
        #[arg(long)]
        coverage: bool,
    },
    /// The gateway's own CA: make it, show it, install it where programs look.
    Trust {
        /// What to do with it.
        #[command(subcommand)]
        action: TrustAction,
    },
    /// Say which programs will trust the gateway, by trying it; without a flag look at this machine.
    ///
    /// Each runtime that is found makes a real TLS handshake with a certificate of our CA,
    /// as the user and with the variables of its process. Exit code 1 when something will fail.
    ///
    /// Examples:
    ///   sudo gateway doctor --systemd app
    ///   sudo gateway doctor --cgroup system.slice/app.service --json
    ///   gateway doctor --upstream
    ///   gateway doctor --upstream api.openai.com --json
    #[command(verbatim_doc_comment)]
    Doctor {
        /// What to look at.
        #[command(flatten)]
        subject: SubjectArgs,
    },
    /// List recorded flows, newest last.
    List {
        /// Most flows listed.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// Only flows with this verdict: allowed, warned, redacted, blocked, cut, relayed, refused, failed.
        #[arg(long, value_name = "VERDICT")]
        verdict: Option<String>,
    },
    /// Show one recorded flow.
    Show {
        /// Its id, or the first letters of it.
        id: String,
    },
    /// Tokens and money by app and model, and what is left of the budgets.
    Usage,
    /// The catalog of LLM hosts in effect: who serves them, how programs sign in, and the file each entry came from.
    ///
    /// Examples:
    ///   gateway providers
    ///   gateway providers anthropic
    ///   gateway providers mine.openai.azure.com --json
    #[command(verbatim_doc_comment)]
    Providers {
        /// A provider's id, a host or an address: with its routes.
        name: Option<String>,
    },
    /// Say what the rules find in a text. Rules that only report, or are off by default, are shown as well; exit code 1
    /// when something is found that would be redacted or blocked.
    ///
    /// Examples:
    ///   gateway check 'my mail is bob@example.org'
    ///   gateway check notes.txt --json
    ///   git diff | gateway check --class secret
    #[command(verbatim_doc_comment)]
    Check(CheckArgs),
    /// Print a text with what the rules redact or block replaced by masks.
    ///
    /// Examples:
    ///   gateway redact 'my mail is bob@example.org'
    ///   gateway redact < notes.txt > clean.txt
    #[command(verbatim_doc_comment)]
    Redact(TextArgs),
    /// The rules: what each finds and does, and whether rule files do what they say.
    Rules {
        /// What to do.
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Every setting with its effective value and where it comes from, every bound, and what the rules hold back.
    Explain,
    /// See it work: a simulated provider, an unmodified client, a split key redacted, a stream cut at its budget.
    Demo,
    /// Print a shell completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
    /// A plain streaming client for the demo, where neither python3 nor curl is present.
    #[command(hide = true)]
    DemoClient {
        /// URL, body, then headers as `name: value`.
        arguments: Vec<String>,
    },
}

/// What `gateway trust` can do.
#[derive(Debug, Subcommand)]
pub enum TrustAction {
    /// Make the CA, or a new one that covers hosts added since.
    Init {
        /// Replace an existing CA.
        #[arg(long)]
        renew: bool,
    },
    /// Show the CA: fingerprint, validity, the names it may sign, where it is installed.
    Show,
    /// Print the root certificate (PEM).
    Export,
    /// Put the root into the system's trust store (needs root).
    Install,
    /// Take the root out of the system's trust store (needs root).
    Uninstall,
    /// Print the variables that make programs trust the root, for those that `gateway run` does not start.
    ///
    /// Examples:
    ///   eval "$(gateway trust env)"
    ///   gateway trust env --shell systemd > /etc/systemd/system/app.service.d/gateway.conf
    ///   gateway trust env --shell docker > gateway.env
    #[command(verbatim_doc_comment)]
    Env {
        /// The form they are printed in.
        #[arg(long, value_enum, default_value_t = Shell::Sh)]
        shell: Shell,
    },
}

/// `trust env --shell`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// `export NAME=value`, for sh, bash and zsh.
    Sh,
    /// `set -gx NAME value`.
    Fish,
    /// One object.
    Json,
    /// A drop-in file for a unit.
    Systemd,
    /// A file for `docker run --env-file`; the folder they name must be mounted as well.
    Docker,
}
