terraform {
  cloud {
    organization = "o"
    workspaces { name = "w" }
  }
}
locals { x = { for k, v in var.m : k => v... if v != null } }
