//! Makes hosts of a provider as a file writes it; what makes no sense becomes a problem, one sentence each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::provider::Class;
use crate::provider::host::{Auth, Host, Place, Provider, Route, Row};
use crate::provider::name::HostPattern;
use crate::provider::path::PathPattern;
use crate::provider::raw;
use crate::wire::dialects;

/// What stands in a host's name for each of a list of regions.
const REGION: &str = "{region}";

/// The hosts of one provider of `file`.
pub(super) fn hosts(
    file: &Arc<str>,
    mut provider: raw::Provider,
    apis: &BTreeMap<String, Vec<raw::Row>>,
    regions: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<String>,
) -> Vec<Host> {
    let hosts = std::mem::take(&mut provider.hosts);
    let endpoints = std::mem::take(&mut provider.endpoints);
    if hosts.is_empty() && endpoints.is_empty() {
        problems.push("it has no hosts and no endpoints; name at least one".to_owned());
    }
    let mut places: Vec<(Place, Option<String>)> = Vec::new();
    for text in &hosts {
        for (name, region) in spread(text, &provider, regions, problems) {
            match HostPattern::parse(&name) {
                Some(pattern) => places.push((Place::Name(pattern), region)),
                None => problems.push(format!(
                    "{name:?} is not a host name; write a name like api.example.com or *.example.com"
                )),
            }
        }
    }
    places.extend(endpoints.into_iter().map(|address| (Place::Endpoint(address), None)));
    let shared = Arc::new(shared(file, provider, apis, problems));
    places.into_iter().map(|(place, region)| Host { provider: Arc::clone(&shared), place, region }).collect()
}

/// The names a host's text stands for, each with its region.
fn spread(
    text: &str,
    provider: &raw::Provider,
    regions: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<String>,
) -> Vec<(String, Option<String>)> {
    if !text.contains(REGION) {
        return vec![(text.to_owned(), provider.region.clone())];
    }
    let list = provider.regions.as_ref().and_then(|name| regions.get(name));
    let Some(list) = list else {
        let known: Vec<&str> = regions.keys().map(String::as_str).collect();
        problems.push(format!(
            "{text} needs `regions` with the name of a list of regions; there are {}",
            known.join(", ")
        ));
        return Vec::new();
    };
    list.iter().map(|region| (text.replace(REGION, region), Some(region.clone()))).collect()
}

fn shared(
    file: &Arc<str>,
    provider: raw::Provider,
    apis: &BTreeMap<String, Vec<raw::Row>>,
    problems: &mut Vec<String>,
) -> Provider {
    let mut rows = provider.routes;
    for (api, bases) in &provider.apis {
        let Some(routes) = apis.get(api) else {
            let known: Vec<&str> = apis.keys().map(String::as_str).collect();
            problems.push(format!("no api is called {api:?}; there are {}", known.join(", ")));
            continue;
        };
        for base in bases {
            let below =
                |route: &raw::Row| raw::Row { path: format!("{base}{}", route.path), ..route.clone() };
            rows.extend(routes.iter().map(below));
        }
    }
    let auth = provider.auth.iter().filter_map(|text| {
        let auth = Auth::parse(text);
        if auth.is_none() {
            problems.push(format!("auth {text:?} is not a header like x-api-key, or authorization: Bearer"));
        }
        auth
    });
    let auth = auth.collect();
    Provider {
        routes: rows.into_iter().filter_map(|written| row(written, problems)).collect(),
        id: provider.id,
        name: provider.name,
        family: provider.family,
        ask_usage: provider.ask_usage,
        origin: Arc::clone(file),
        auth,
    }
}

fn row(written: raw::Row, problems: &mut Vec<String>) -> Option<Row> {
    let dialect = dialects::by_name(&written.dialect);
    if dialect.is_none() {
        let known: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name()).collect();
        problems.push(format!(
            "path {}: no dialect is called {:?}; there are {}",
            written.path,
            written.dialect,
            known.join(", ")
        ));
    }
    let path = PathPattern::parse(&written.path);
    if path.is_none() {
        problems.push(format!("path {:?} does not start with /", written.path));
    }
    let route = Route {
        class: written.class,
        dialect: dialect?,
        operation: written.operation.into(),
        charged: written.charged && written.class == Class::Inference,
        streams: written.streams,
        model: None,
    };
    Some(Row { method: written.method, path: path?, written: written.path, route })
}
