//! Tests of `tls::trust` and `tls::system`: bundles, variables, and stores of each layout.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::tls::folder::Folder;

fn trust(state: &Path) -> Trust {
    Trust::init(state, &["api.openai.com".to_owned()]).unwrap()
}

/// A store below a folder whose tool notes down that it ran, and succeeds or not.
fn store(folder: &Path, succeeds: bool) -> SystemStore {
    let anchors = folder.join("anchors");
    std::fs::create_dir_all(&anchors).unwrap();
    let script = format!("echo ran >> {}/runs; {succeeds}", folder.display());
    let refresh = ["sh", "-c", &script].map(str::to_owned).to_vec();
    SystemStore { anchors, refresh, chosen: None }
}

fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
}

#[test]
fn the_bundle_is_the_union_and_others_can_read_it() {
    let folder = Folder::new();
    let trust = trust(&folder.join("state"));
    let bundle = CertificateDer::pem_file_iter(trust.bundle()).unwrap();
    let bundle: Vec<_> = bundle.collect::<Result<_, _>>().unwrap();
    assert_eq!(bundle[0], trust.authority().root().der);
    for certificate in system::certificates() {
        assert!(bundle.contains(&certificate));
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&trust.bundle()), mode(trust.bundle().parent().unwrap())), (0o644, 0o755));
    assert_eq!((mode(&folder.join("state/authority")), mode(&folder.join("state"))), (0o700, 0o755));
    std::fs::set_permissions(folder.join("state"), std::fs::Permissions::from_mode(0o700)).unwrap();
    trust.publish().unwrap();
    assert_eq!(mode(&folder.join("state")), 0o711, "another user's app could not get to the bundle");
    let written = std::fs::metadata(trust.bundle()).unwrap().modified().unwrap();
    trust.publish().unwrap();
    assert_eq!(
        std::fs::metadata(trust.bundle()).unwrap().modified().unwrap(),
        written,
        "rewritten for nothing"
    );
}

#[test]
fn every_variable_names_a_file_that_holds_our_root() {
    let folder = Folder::new();
    let trust = trust(&folder);
    let environment = trust.environment();
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "CODEX_CA_CERTIFICATE",
    ] {
        let (_, value) = environment.iter().find(|(known, _)| *known == name).expect(name);
        assert!(std::fs::read_to_string(value).unwrap().contains(trust.export()), "{name}");
    }
}

#[test]
fn roots_that_the_caller_s_variables_name_are_not_taken_away() {
    let folder = Folder::new();
    let (ours, corporate) = (trust(&folder.join("ours")), trust(&folder.join("corporate")));
    let file = |environment: Vec<(&str, OsString)>| {
        let found = environment.into_iter().find(|(name, _)| *name == "NODE_EXTRA_CA_CERTS").unwrap();
        std::fs::read_to_string(found.1).unwrap()
    };
    ours.publish_over(|_| None).unwrap();
    assert_eq!(file(ours.environment_over(|_| None)), ours.export());
    let caller =
        |name: &str| (name == "NODE_EXTRA_CA_CERTS").then(|| corporate.public(ROOT_FILE).into_os_string());
    ours.publish_over(caller).unwrap();
    let both = file(ours.environment_over(caller));
    let held: Vec<_> = CertificateDer::pem_slice_iter(both.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert!(held.contains(&ours.authority().root().der) && held.contains(&corporate.authority().root().der));
    let before = ours.authority().root().der.clone();
    let renewed = Trust::renew(&folder.join("ours"), &["api.openai.com".to_owned()]).unwrap();
    renewed.publish_over(|_| Some(renewed.bundle().into())).unwrap();
    let held =
        CertificateDer::pem_file_iter(renewed.bundle()).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert!(!held.contains(&before), "the root from before the renewal is still trusted");
}

#[test]
fn installing_and_uninstalling_are_idempotent_and_clean() {
    let folder = Folder::new();
    let state = folder.join("state");
    let (trust, store) = (trust(&state), store(&folder, true));
    assert_eq!(trust.show(Some(&store)).installed, None);
    assert!(trust.install(&store).unwrap());
    assert!(!trust.install(&store).unwrap());
    assert_eq!(runs(&folder), 1);
    let anchor = trust.show(Some(&store)).installed.unwrap();
    assert_eq!(std::fs::read_to_string(&anchor).unwrap(), trust.export());
    let renewed = Trust::renew(&state, &["api.anthropic.com".to_owned()]).unwrap();
    assert_eq!(renewed.show(Some(&store)).installed, None, "the old root is not the new one");
    assert!(renewed.install(&store).unwrap());
    assert_eq!(renewed.show(Some(&store)).installed, Some(anchor));
    assert!(uninstall(&state, &store).unwrap());
    assert!(!uninstall(&state, &store).unwrap());
    assert_eq!(std::fs::read_dir(&store.anchors).unwrap().count(), 0);
}

#[test]
fn a_failing_tool_leaves_nothing_behind_and_is_named() {
    let folder = Folder::new();
    let (trust, store) = (trust(&folder.join("state")), store(&folder, false));
    let said = trust.install(&store).unwrap_err().to_string();
    assert!(said.contains("sh -c") && said.contains("ca-certificates"), "{said}");
    assert_eq!(std::fs::read_dir(&store.anchors).unwrap().count(), 0);
    let missing = SystemStore { refresh: vec!["no-such-tool-here".to_owned()], ..store.clone() };
    assert!(trust.install(&missing).unwrap_err().to_string().contains("no-such-tool-here"));
    let nowhere = SystemStore { anchors: folder.join("nowhere"), ..store };
    assert!(trust.install(&nowhere).unwrap_err().to_string().contains("needs root"));
}

#[test]
fn each_layout_is_found() {
    for (anchors, tool) in [
        ("usr/local/share/ca-certificates", "update-ca-certificates"),
        ("etc/pki/ca-trust/source/anchors", "update-ca-trust"),
        ("etc/pki/trust/anchors", "update-ca-certificates"),
        ("usr/share/pki/trust/anchors", "update-ca-certificates"),
        ("etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
    ] {
        let folder = Folder::new();
        assert!(matches!(SystemStore::find(&folder), Err(StoreError::Unknown)));
        std::fs::create_dir_all(folder.join(anchors)).unwrap();
        let found = SystemStore::find(&folder).unwrap();
        assert_eq!(
            (found.anchors.as_path(), found.refresh[0].as_str()),
            (folder.join(anchors).as_path(), tool)
        );
    }
}

#[test]
fn a_tool_without_debian_s_option_is_run_without_it() {
    let folder = Folder::new();
    let anchors = folder.join("anchors");
    std::fs::create_dir(&anchors).unwrap();
    std::fs::write(folder.join("conf"), "").unwrap();
    let script = format!("[ $# = 0 ] && echo ran >> {}/runs", folder.display());
    let refresh = ["sh", "-c", &script, "alpine"].map(str::to_owned).to_vec();
    let store = SystemStore { anchors, refresh, chosen: Some(folder.join("conf")) };
    let state = folder.join("state");
    assert!(trust(&state).install(&store).unwrap());
    assert!(uninstall(&state, &store).unwrap());
    assert_eq!(runs(&folder), 2);
    assert_eq!(std::fs::read_dir(&store.anchors).unwrap().count(), 0);
}

#[test]
fn options_for_java_add_to_the_caller_s_and_never_replace_its_store() {
    let folder = Folder::new();
    let trust = trust(&folder.join("my state"));
    let options = |given: Option<&str>| {
        let caller =
            |name: &str| (name == "JAVA_TOOL_OPTIONS").then_some(given).flatten().map(OsString::from);
        let found = trust.environment_over(caller).into_iter().find(|(name, _)| *name == "JAVA_TOOL_OPTIONS");
        found.map(|(_, value)| value.into_string().unwrap())
    };
    let store = trust.public(JAVA_FILE);
    let ours =
        format!("-Djavax.net.ssl.trustStore=\"{}\" -Djavax.net.ssl.trustStoreType=PKCS12", store.display());
    assert_eq!(options(None).as_deref(), Some(ours.as_str()), "a path with a blank is quoted");
    assert_eq!(options(Some("-Xmx1g")), Some(format!("-Xmx1g {ours}")));
    assert_eq!(options(Some(&ours)), Some(ours.clone()), "inside another `gateway run`");
    assert_eq!(options(Some("-Djavax.net.ssl.trustStore=/theirs.jks")), None);
}

/// Runs Debian's real tool on folders of the test's own.
#[test]
fn the_real_tool_of_debian_takes_the_root_in_and_out() {
    let folder = Folder::new();
    for name in ["local", "etc", "hooks", "shared"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let other = Trust::init(&folder.join("other"), &["other.example".to_owned()]).unwrap();
    std::fs::write(folder.join("shared/other.crt"), other.export()).unwrap();
    std::fs::write(folder.join("conf"), "other.crt").unwrap();
    let place = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
    let options = [
        place("localcertsdir", "local"),
        place("etccertsdir", "etc"),
        place("hooksdir", "hooks"),
        place("certsdir", "shared"),
        place("certsconf", "conf"),
    ];
    // The options take their value as an argument of its own.
    let options =
        options.iter().flat_map(|option| option.splitn(2, '=').map(str::to_owned).collect::<Vec<_>>());
    let tool = ["update-ca-certificates".to_owned()].into_iter().chain(options).collect();
    let store =
        SystemStore { anchors: folder.join("local"), refresh: tool, chosen: Some(folder.join("conf")) };
    let trust = trust(&folder.join("state"));
    let verifies = || {
        let verify = ["verify", "-no-CApath", "-CAfile"];
        let issuing = folder.join("state/authority/issuing.pem");
        let output = Command::new("openssl")
            .args(verify)
            .arg(folder.join("etc/ca-certificates.crt"))
            .arg(issuing)
            .output();
        output.expect("the test needs the `openssl` command (Debian package openssl)").status.success()
    };
    assert!(trust.install(&store).unwrap());
    assert!(verifies());
    let renewed = Trust::renew(&folder.join("state"), &["api.openai.com".to_owned()]).unwrap();
    assert!(!verifies());
    assert!(renewed.install(&store).unwrap());
    assert!(verifies());
    assert!(uninstall(&folder.join("state"), &store).unwrap());
    assert!(!verifies());
    assert_eq!(std::fs::read_dir(folder.join("local")).unwrap().count(), 0);
    for link in std::fs::read_dir(folder.join("etc")).unwrap() {
        assert!(link.as_ref().unwrap().path().exists(), "{link:?} was left dangling");
    }
}
