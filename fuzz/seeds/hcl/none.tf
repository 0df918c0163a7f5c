resource "null_resource" "a" {
  triggers = { "a" = "%{ if true }x%{ else }y%{ endif }" }
  /* /* */
}
