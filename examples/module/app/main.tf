# A root module that reads the outputs of ../network and keeps its own state beside it.

terraform {
  required_version = ">= 1.4"

  backend "http" {
    address        = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/app"
    lock_address   = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/app"
    unlock_address = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/app"
    lock_method    = "LOCK"
    unlock_method  = "UNLOCK"
    update_method  = "POST"
  }
}

# Reads with the same credentials as the backend: TF_HTTP_USERNAME and TF_HTTP_PASSWORD.
data "terraform_remote_state" "network" {
  backend = "http"
  config = {
    address = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/network"
  }
}

locals {
  network = data.terraform_remote_state.network.outputs
}

resource "terraform_data" "subnet" {
  for_each = toset(local.network.zones)
  input    = cidrsubnet(local.network.cidr, 8, index(local.network.zones, each.key))
}

output "subnets" {
  value = { for zone, subnet in terraform_data.subnet : zone => subnet.output }
}
