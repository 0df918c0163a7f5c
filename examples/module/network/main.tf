# A root module that keeps its state on statekeep. Its outputs are read by ../app.

terraform {
  required_version = ">= 1.4"

  # Name all three addresses: without `unlock_address` the lock would stay.
  # Name the methods too: otherwise variables such as TF_HTTP_LOCK_METHOD, which CI servers set, decide.
  # Credentials come from TF_HTTP_USERNAME and TF_HTTP_PASSWORD, so that none stands here.
  backend "http" {
    address        = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/network"
    lock_address   = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/network"
    unlock_address = "https://state.example.net/api/terraform/state/workspace/team-a/buildingblock/network"
    lock_method    = "LOCK"
    unlock_method  = "UNLOCK"
    update_method  = "POST"
  }
}

# Stands for the resources of your providers.
resource "terraform_data" "network" {
  input = {
    cidr  = "10.20.0.0/16"
    zones = ["a", "b"]
  }
}

output "cidr" {
  description = "The range of addresses that other modules divide."
  value       = terraform_data.network.output.cidr
}

output "zones" {
  value = terraform_data.network.output.zones
}
