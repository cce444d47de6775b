//! Names of containers, from the files their runtimes keep.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Where names are looked for, as told when nothing is found.
pub(super) const PLACES: [&str; 3] = [
    "/var/lib/docker/containers (Docker)",
    "/run/containerd (containerd)",
    "/var/lib/containers/storage and users' .local/share/containers/storage (Podman, CRI-O)",
];

/// Most bytes read of one file.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Most containers of one runtime whose files are read.
const MAX_CONTAINERS: usize = 4096;

/// A container and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its whole id.
    pub id: String,
    /// Its name, outermost first: `[web]`, or namespace, pod and container.
    pub parts: Vec<String>,
}

impl Named {
    /// Whether it is called that: by its whole name, or by the end of it (`web`, `pod/web`).
    pub fn is(&self, given: &str) -> bool {
        let asked: Vec<&str> = given.split('/').collect();
        self.parts.len() >= asked.len() && self.parts[self.parts.len() - asked.len()..] == asked
    }

    /// The whole name.
    pub fn whole(&self) -> String {
        self.parts.join("/")
    }
}

/// Every name that can be read below `root`. What is not there or cannot be read is left out: most machines have only
/// one runtime.
pub(super) fn read(root: &Path) -> Vec<Named> {
    let mut all = docker(&root.join("var/lib/docker/containers"));
    for bundles in bundles(root) {
        all.extend(entries(&bundles).filter_map(|folder| bundle(&folder)));
    }
    for storage in storages(root) {
        for list in ["containers.json", "volatile-containers.json"] {
            all.extend(stored(&storage.join("overlay-containers").join(list)));
        }
    }
    all
}

/// Docker: `ID/config.v2.json` with `Name: "/web"`.
fn docker(containers: &Path) -> Vec<Named> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        #[serde(rename = "ID")]
        id: String,
        name: String,
    }
    let read = |folder: PathBuf| json::<Config>(&folder.join("config.v2.json"));
    let named =
        |config: Config| Named { id: config.id, parts: vec![config.name.trim_start_matches('/').to_owned()] };
    entries(containers).filter_map(read).map(named).collect()
}

/// The bundles of containerd's tasks: `NAMESPACE/ID`, Kubernetes' in `k8s.io`, nerdctl's in `default`.
fn bundles(root: &Path) -> Vec<PathBuf> {
    let tasks =
        ["run/containerd/io.containerd.runtime.v2.task", "run/k3s/containerd/io.containerd.runtime.v2.task"];
    tasks.iter().flat_map(|tasks| entries(&root.join(tasks))).collect()
}

/// A bundle's `config.json` (the OCI runtime specification), whose annotations name the container.
fn bundle(folder: &Path) -> Option<Named> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        annotations: Value,
    }
    let id = folder.file_name()?.to_str()?.to_owned();
    let annotations = json::<Config>(&folder.join("config.json"))?.annotations;
    let said = |key: &str| {
        annotations.get(key).and_then(Value::as_str).filter(|said| !said.is_empty()).map(str::to_owned)
    };
    if let Some(name) = said("nerdctl/name") {
        return Some(Named { id, parts: vec![name] });
    }
    // containerd's CRI plugin, then CRI-O. A sandbox has no container name: it is the pod's own pause container.
    for [namespace, pod, container] in [
        [
            "io.kubernetes.cri.sandbox-namespace",
            "io.kubernetes.cri.sandbox-name",
            "io.kubernetes.cri.container-name",
        ],
        ["io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name"],
    ] {
        if let (Some(namespace), Some(pod), Some(container)) = (said(namespace), said(pod), said(container)) {
            return Some(Named { id, parts: vec![namespace, pod, container] });
        }
    }
    None
}

/// The folders of containers/storage: the system's, and those of users (rootless Podman).
fn storages(root: &Path) -> Vec<PathBuf> {
    let homes = entries(&root.join("home")).chain([root.join("root")]);
    let users = homes.map(|home| home.join(".local/share/containers/storage"));
    [root.join("var/lib/containers/storage")].into_iter().chain(users).collect()
}

/// A list of containers/storage: objects with `id` and `names`. CRI-O's names are
/// `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`.
fn stored(list: &Path) -> Vec<Named> {
    #[derive(Deserialize)]
    struct Container {
        id: String,
        #[serde(default)]
        names: Vec<String>,
    }
    let containers = json::<Vec<Container>>(list).unwrap_or_default();
    let named = |container: Container| {
        let name = container.names.into_iter().next()?;
        let parts = match name.split('_').collect::<Vec<_>>()[..] {
            ["k8s", container, pod, namespace, _, _] => vec![namespace, pod, container],
            _ => vec![&*name],
        };
        Some(Named { id: container.id, parts: parts.into_iter().map(str::to_owned).collect() })
    };
    containers.into_iter().take(MAX_CONTAINERS).filter_map(named).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).take(MAX_CONTAINERS)
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
