terraform {
  backend "s3" {
    bucket = "b" # comment
    key = <<-EOT
      a ${upper("x")}
      EOT
  }
  required_version = ">= 1.0"
}
