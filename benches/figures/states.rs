//! States as a root module's life makes them: about 60 kB of Terraform's own layout, the same for
//! the same seed.
//!
//! From one version to the next the serial grows by one and a few attributes change, in place, so
//! that making a body costs hardly more than copying it. No two versions have the same bytes.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Res;

/// How many resources a state has; with them it is about 60 kB.
const RESOURCES: usize = 34;
/// How many attributes change at most from one version to the next; at least one does.
const MOST_CHANGES: usize = 5;
/// The first serial. Serials keep their number of digits.
const FIRST_SERIAL: u64 = 1_000_000;
/// What comes before an attribute that changes, and how long that is.
const CHANGING: &str = "\"etag\": \"";
const CHANGING_DIGITS: usize = 16;

/// The versions of one state.
pub(crate) struct Series {
    text: Vec<u8>,
    serial: u64,
    serial_at: usize,
    changing: Vec<usize>,
    random: Random,
}

impl Series {
    /// Another seed makes another state, with a lineage of its own.
    pub(crate) fn new(seed: u64) -> Res<Self> {
        Self::with_resources(seed, RESOURCES)
    }

    /// A state with so many resources.
    pub(crate) fn with_resources(seed: u64, resources: usize) -> Res<Self> {
        let mut random = Random(seed);
        let serial = FIRST_SERIAL;
        let resources: Vec<Value> = (0..resources)
            .map(|index| resource(&mut random, index))
            .collect();
        let lineage = format!(
            "{}-{}-4{}-a{}-{}",
            random.hex(8),
            random.hex(4),
            random.hex(3),
            random.hex(3),
            random.hex(12)
        );
        let outputs = json!({
            "cluster_endpoint": {
                "value": format!("https://{}.example.internal", random.hex(12)), "type": "string"
            },
            "subnet_ids": {
                "value": [
                    format!("subnet-{}", random.hex(17)), format!("subnet-{}", random.hex(17))
                ],
                "type": ["tuple", ["string", "string"]]
            },
        });
        let text = format!(
            "{{\n  \"version\": 4,\n  \"terraform_version\": \"1.11.4\",\n  \"serial\": \
                {serial},\n  \"lineage\": \"{lineage}\",\n  \
             \"outputs\": {},\n  \"resources\": {},\n  \"check_results\": null\n}}\n",
            indented(&outputs)?,
            indented(&Value::Array(resources))?,
        );
        let serial_at = text
            .find("\"serial\": ")
            .ok_or("a state without a serial")?
            + "\"serial\": ".len();
        let changing = text
            .match_indices(CHANGING)
            .map(|(at, _)| at + CHANGING.len())
            .collect();
        Ok(Self {
            text: text.into_bytes(),
            serial,
            serial_at,
            changing,
            random,
        })
    }

    /// The version as it is.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// The next version.
    pub(crate) fn next(&mut self) -> &[u8] {
        self.serial += 1;
        self.put(self.serial_at, &self.serial.to_string());
        for _ in 0..=self.random.below(MOST_CHANGES) {
            let which = self.random.below(self.changing.len());
            let value = self.random.hex(CHANGING_DIGITS);
            if let Some(at) = self.changing.get(which) {
                self.put(*at, &value);
            }
        }
        &self.text
    }

    fn put(&mut self, at: usize, value: &str) {
        if let Some(lookup) = self.text.get_mut(at..at + value.len()) {
            lookup.copy_from_slice(value.as_bytes());
        }
    }
}

/// As Terraform writes it: two spaces a level, one level down.
fn indented(value: &Value) -> Res<String> {
    Ok(serde_json::to_string_pretty(value)?.replace('\n', "\n  "))
}

fn resource(random: &mut Random, index: usize) -> Value {
    let (kind, attributes) = match index % 5 {
        0 => ("aws_instance", instance(random, index)),
        1 => ("aws_iam_role", role(random, index)),
        2 => ("aws_security_group", security_group(random, index)),
        3 => ("aws_s3_bucket", bucket(random, index)),
        _ => ("kubernetes_config_map", config_map(random, index)),
    };
    let module = random.pick(&["network", "platform", "app", "data"]);
    let provider = if index % 5 == 4 { "kubernetes" } else { "aws" };
    json!({
        "module": format!("module.{module}[\"{}\"]", random.pick(&["blue", "green"])),
        "mode": "managed",
        "type": kind,
        "name": format!(
            "{}_{index}", random.pick(&["main", "worker", "edge", "internal", "shared"])
        ),
        "provider": format!("provider[\"registry.terraform.io/hashicorp/{provider}\"]"),
        "instances": [{
            "schema_version": random.below(3),
            "attributes": attributes,
            "sensitive_attributes": [],
            "private": format!("eyJzY2hlbWFfdmVyc2lvbiI6IjEiLCJpZCI6I{}", random.hex(24)),
            "dependencies": [format!("module.{module}.aws_vpc.main"), "data.aws_region.current"],
        }],
    })
}

fn tags(random: &mut Random, index: usize) -> Value {
    json!({
        "Name": format!("app-{index}-{}", random.hex(4)),
        "Owner": random.pick(&["team-a", "team-b", "platform"]),
        "CostCenter": (1_000 + random.below(9_000)).to_string(),
        "ManagedBy": "terraform",
    })
}

fn instance(random: &mut Random, index: usize) -> Value {
    let id = random.hex(17);
    json!({
        "id": format!("i-{id}"),
        "arn": format!("arn:aws:ec2:eu-central-1:{}:instance/i-{id}", random.account()),
        "ami": format!("ami-{}", random.hex(17)),
        "etag": random.hex(CHANGING_DIGITS),
        "instance_type": random.pick(&["t3.micro", "m6i.large", "c7g.xlarge"]),
        "availability_zone": random.pick(&["eu-central-1a", "eu-central-1b", "eu-central-1c"]),
        "private_ip": format!("10.{}.{}.{}", random.below(4), random.below(256), random.below(256)),
        "monitoring": random.below(2) == 0,
        "root_block_device": [{
            "delete_on_termination": true, "encrypted": true, "iops": 3_000, "throughput": 125,
            "volume_type": "gp3",
            "volume_id": format!("vol-{}", random.hex(17)),
            "volume_size": 8 * (1 + random.below(16)),
        }],
        "subnet_id": format!("subnet-{}", random.hex(17)),
        "tags": tags(random, index),
        "timeouts": null,
        "user_data": format!("{}{}", random.hex(32), random.hex(8)),
        "vpc_security_group_ids": [
            format!("sg-{}", random.hex(17)), format!("sg-{}", random.hex(17))
        ],
    })
}

fn role(random: &mut Random, index: usize) -> Value {
    let name = format!("role-{index}-{}", random.hex(6));
    let account = random.account();
    json!({
        "id": name,
        "arn": format!("arn:aws:iam::{account}:role/{name}"),
        "etag": random.hex(CHANGING_DIGITS),
        "assume_role_policy": format!(
            "{{\"Statement\":[{{\"Action\":\"sts:AssumeRole\",\"Effect\":\"Allow\",\
             \"Principal\":{{\"AWS\":\"arn:aws:iam::{account}:root\"}}}}],\
             \"Version\":\"2012-10-17\"}}"
        ),
        "create_date": format!(
            "2025-0{}-1{}T0{}:1{}:42Z", 1 + random.below(9), random.below(10), random.below(10),
            random.below(10)
        ),
        "inline_policy": [{
            "name": "logs",
            "policy": format!(
                "{{\"Statement\":[{{\"Action\":[\"logs:PutLogEvents\"],\"Effect\":\"Allow\",\
                 \"Resource\":\"arn:aws:logs:*:{account}:{}\"}}]}}",
                random.hex(12)
            ),
        }],
        "managed_policy_arns": [
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
        ],
        "max_session_duration": 3_600,
        "path": "/",
        "tags": tags(random, index),
        "unique_id": format!("AROA{}", random.hex(17).to_uppercase()),
    })
}

fn security_group(random: &mut Random, index: usize) -> Value {
    let id = random.hex(17);
    let rules: Vec<Value> = [443, 8_080]
        .iter()
        .map(|port| {
            json!({
                "cidr_blocks": [format!("10.{}.{}.0/24", random.below(4), random.below(256))],
                "description": "from the office",
                "from_port": port, "protocol": "tcp", "self": false, "to_port": port,
            })
        })
        .collect();
    json!({
        "id": format!("sg-{id}"),
        "arn": format!("arn:aws:ec2:eu-central-1:{}:security-group/sg-{id}", random.account()),
        "etag": random.hex(CHANGING_DIGITS),
        "description": "Managed by Terraform",
        "egress": [],
        "ingress": rules,
        "owner_id": random.account(),
        "revoke_rules_on_delete": false,
        "tags": tags(random, index),
        "vpc_id": format!("vpc-{}", random.hex(17)),
    })
}

fn bucket(random: &mut Random, index: usize) -> Value {
    let name = format!("bucket-{index}-{}", random.hex(8));
    json!({
        "id": name,
        "arn": format!("arn:aws:s3:::{name}"),
        "etag": random.hex(CHANGING_DIGITS),
        "bucket_domain_name": format!("{name}.s3.amazonaws.com"),
        "force_destroy": false,
        "grant": [{
            "id": random.hex(48), "permissions": ["FULL_CONTROL"], "type": "CanonicalUser",
            "uri": ""
        }],
        "lifecycle_rule": [],
        "server_side_encryption_configuration": [{
            "rule": [{
                "apply_server_side_encryption_by_default": [{
                    "kms_master_key_id": random.hex(32), "sse_algorithm": "aws:kms"
                }]
            }],
        }],
        "tags": tags(random, index),
        "versioning": [{ "enabled": true, "mfa_delete": false }],
    })
}

fn config_map(random: &mut Random, index: usize) -> Value {
    json!({
        "id": format!("app-{index}/settings"),
        "etag": random.hex(CHANGING_DIGITS),
        "binary_data": {},
        "data": {
            "application.yaml": format!(
                "server:\n  port: {}\nlogging:\n  level: info\ndatabase:\n  host: \
                    db-{}.internal\n  pool: {}\nfeatures:\n  - tracing\n  - metrics\n",
                8_000 + random.below(1_000), random.hex(8), random.below(64)
            ),
            "checksum": random.hex(40),
        },
        "immutable": null,
        "metadata": [{
            "annotations": {}, "generate_name": "", "generation": random.below(20),
            "labels": tags(random, index),
            "name": "settings", "namespace": format!("app-{index}"),
            "resource_version": random.below(100_000_000).to_string(),
            "uid": format!(
                "{}-{}-4{}-b{}-{}", random.hex(8), random.hex(4), random.hex(3), random.hex(3),
                random.hex(12)
            ),
        }],
    })
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).unwrap_or_default()
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let which = self.below(from.len());
        from.get(which).copied().unwrap_or_default()
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    fn account(&mut self) -> String {
        format!("{:012}", 200_000_000_000 + self.below(7))
    }
}
