/* Weights files into a session and out of it. */
#include "cli/session_weights.h"
#include "cli/text_output.h"

#include "net/net_weights.h"

static sa_status set_all(sa_session *session, const sa_net_weights *match)
{
    for (int l = 0; l < match->layer_count; l++)
        for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++)
            if (match->blob[l][i]) SA_TRY(sa_session_set_param(session, l, i, match->blob[l][i]->values));
    return SA_OK;
}

static void say(FILE *out, const char *command, const char *path, const sa_net_weights *match)
{
    if (!out) return;
    sa_text_say(out, 0, "segarena %s: %zu parameters from %s", command, match->given_count, path);
    if (match->only_in_file_count)
        sa_text_say(out, 0, "segarena %s: the net has no layer of these names, they are left out: %s", command,
                    match->only_in_file);
    if (match->only_in_net_count)
        sa_text_say(out, 0, "segarena %s: the file has no layer of these names, they start from their fillers: %s", command,
                    match->only_in_net);
}

sa_status sa_session_load_weights(sa_session *session, const sa_net *net, const char *path, const char *command, FILE *out)
{
    sa_weights *weights = NULL;
    sa_net_weights match;
    SA_TRY(sa_weights_read(path, &weights));
    sa_status status = sa_net_weights_match(net, weights, path, &match);
    if (status == SA_OK) {
        if (match.given_count == 0) status = sa_error_set(SA_INVALID, "%s: no layer of it has the name of one of the net's", path);
        if (status == SA_OK) status = set_all(session, &match);
        if (status == SA_OK) say(out, command, path, &match);
        sa_net_weights_free(&match);
    }
    sa_weights_free(weights);
    return status;
}

sa_status sa_session_save_weights(sa_session *session, const sa_net *net, const char *path)
{
    sa_weights *weights = NULL;
    SA_TRY(sa_net_weights_create(net, &weights));
    sa_status status = SA_OK;
    for (int l = 0; l < net->layer_count && status == SA_OK; l++)
        for (int i = 0; i < net->layer[l].param_count && status == SA_OK; i++)
            status = sa_session_get_param(session, l, i, weights->layer[l].blob[i].values);
    if (status == SA_OK) status = sa_weights_write(path, weights);
    sa_weights_free(weights);
    return status;
}
